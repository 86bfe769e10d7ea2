//! A worker that stops.

use serde_json::json;

use super::world::{World, edges, http, node, trigger};
use crate::execution::Event;
use crate::state::{ExecutionStatus, StepStatus};

#[test]
fn what_is_in_flight_finishes_and_the_rest_is_given_back() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({})), http("b", json!({}))]),
        edges(&["start->a", "a->b"]),
    );
    world.claim();
    world.commit();
    world.tell(Event::Drain);
    assert_eq!(world.left, None);
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    assert_eq!(
        world.run_at,
        Some(world.now),
        "another worker takes it at once"
    );
    assert_eq!(
        world.statuses(),
        [("a", "succeeded"), ("start", "succeeded")]
    );

    world.claim();
    world.commit();
    assert_eq!(world.out(), ["b"]);
}

#[test]
fn an_execution_that_can_end_without_a_call_does() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            node("t", json!({"kind": "transform", "output": 1}))
        ]),
        edges(&["start->a", "a->t"]),
    );
    world.claim();
    world.commit();
    world.tell(Event::Drain);
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Succeeded));
}

#[test]
fn what_takes_too_long_is_stopped_and_begins_again_elsewhere() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({"retry": {"max_attempts": 1}}))]),
        edges(&["start->a"]),
    );
    world.claim();
    world.commit();
    world.tell(Event::Drain);
    world.tell(Event::DrainDeadline);
    world.commit_all();
    assert_eq!(
        (world.left, world.row("a")),
        (Some(ExecutionStatus::Waiting), (StepStatus::Waiting, 1))
    );
    assert_eq!(
        world.rows["a"].error.as_ref().unwrap()["code"],
        "worker_stopped"
    );
    world.claim();
    world.commit();
    assert_eq!(world.row("a"), (StepStatus::Running, 2));
}

#[test]
fn a_call_whose_record_comes_back_too_late_is_not_made() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    world.claim();
    world.tell(Event::Drain);
    world.tell(Event::DrainDeadline);
    world.commit_all();
    assert!(world.out().is_empty());
    assert_eq!(
        (world.left, world.row("a")),
        (Some(ExecutionStatus::Waiting), (StepStatus::Waiting, 1))
    );
}

#[test]
fn a_timer_stays_a_timer() {
    let mut world = World::new(
        json!([
            trigger(),
            node("pause", json!({"kind": "delay", "seconds": 0.5}))
        ]),
        edges(&["start->pause"]),
    );
    world.claim();
    world.tell(Event::Drain);
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    assert_eq!(world.run_at, world.rows["pause"].run_at);
}
