//! Pause and resume.

use serde_json::json;

use super::world::{World, broken, call_workflow, edges, for_each, http, node, trigger};
use crate::execution::Event;
use crate::state::{ExecutionStatus, StepStatus};

#[test]
fn what_is_out_ends_and_nothing_new_begins() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            http("b", json!({})),
            node("t", json!({"kind": "transform", "output": 1})),
            http("c", json!({}))
        ]),
        edges(&["start->a", "start->b", "a->t", "b->c"]),
    );
    world.claim();
    world.commit_all();
    world.pause();
    world.commit_all();
    assert_eq!(world.left, None, "a and b are out");
    world.end("a", Ok(json!(1)));
    world.commit_all();
    world.end("b", Ok(json!(2)));
    world.commit_all();
    assert_eq!(
        (world.left, world.run_at),
        (Some(ExecutionStatus::Paused), None)
    );
    assert_eq!(
        world.statuses(),
        [
            ("a", "succeeded"),
            ("b", "succeeded"),
            ("start", "succeeded")
        ]
    );
    world.resume();
    world.commit_all();
    assert_eq!(world.out(), ["c"]);
    world.end("c", Ok(json!(3)));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"t": 1, "c": 3})));
}

#[test]
fn an_execution_that_is_claimed_although_it_shall_pause_does_at_once() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    world.pause_requested = true;
    world.claim();
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Paused));
    assert!(world.rows.is_empty());
}

#[test]
fn nothing_that_happens_meanwhile_is_lost() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            http(
                "b",
                json!({"retry": {"max_attempts": 2, "initial_seconds": 1}})
            ),
            node("pause", json!({"kind": "delay", "seconds": 60})),
            node("wait", json!({"kind": "wait_for_event", "event": "paid"})),
            call_workflow("call", json!({}))
        ]),
        edges(&[
            "start->a",
            "start->b",
            "start->pause",
            "start->wait",
            "start->call",
        ]),
    );
    world.claim();
    world.commit_all();
    world.pause();
    // The event comes while others are still out, the end of the other workflow before its call is back.
    world.deliver("wait", json!({"event": "paid"}));
    world.start_child("call");
    world.child_ends("call", "succeeded");
    world.child_answers("call");
    world.end("b", Err(broken()));
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Paused));
    assert_eq!(world.run.as_ref().unwrap().wakes_at(), None);
    for step in ["b", "pause", "wait", "call"] {
        assert_eq!(world.row(step).0, StepStatus::Waiting, "{step}");
    }
    world.now += jiff::SignedDuration::from_hours(1);
    world.resume();
    world.commit_all();
    assert_eq!(world.out(), ["b"]);
    world.end("b", Ok(json!(2)));
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Succeeded);
    assert_eq!(world.children, 1);
}

#[test]
fn the_items_that_are_left_wait_for_the_resumption() {
    let action = json!({"kind": "http", "url": "https://api.example/"});
    let mut world = World::new(
        json!([
            trigger(),
            for_each("each", action, json!({"concurrency": 2}), json!({}))
        ]),
        edges(&["start->each"]),
    );
    world.input = json!({"list": [1, 2, 3, 4]});
    world.claim();
    world.commit_all();
    world.pause();
    world.end("each[0]", Ok(json!(0)));
    world.commit_all();
    assert_eq!(world.out(), ["each[1]"]);
    world.end("each[1]", Ok(json!(1)));
    world.commit_all();
    assert_eq!(
        (world.left, world.row("each").0),
        (Some(ExecutionStatus::Paused), StepStatus::Running)
    );
    world.resume();
    world.commit_all();
    assert_eq!(world.out(), ["each[2]", "each[3]"]);
}

#[test]
fn an_end_comes_before_a_pause() {
    let one = || {
        let mut world = World::new(
            json!([trigger(), http("a", json!({"retry": {"max_attempts": 1}}))]),
            edges(&["start->a"]),
        );
        world.claim();
        world.commit_all();
        world.pause();
        world
    };
    let mut world = one();
    world.tell(Event::CancelRequested);
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Cancelled));
    let mut world = one();
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Failed));
    let mut world = one();
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Succeeded));
    let mut world = one();
    world.tell(Event::DrainDeadline);
    world.commit_all();
    assert_eq!(
        (world.left, world.row("a")),
        (Some(ExecutionStatus::Paused), (StepStatus::Waiting, 1))
    );
}
