//! Taken up again where somebody else left off.

use serde_json::json;

use super::world::{World, broken, edges, http, node, trigger};
use crate::state::{ExecutionStatus, StepStatus};

#[test]
fn a_step_in_flight_runs_again_as_the_next_attempt() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({})), http("b", json!({}))]),
        edges(&["start->a", "a->b"]),
    );
    world.claim();
    world.commit();
    world.end("a", Ok(json!({"v": 1})));
    world.commit();
    assert_eq!(world.out(), ["b"]);

    world.claim();
    world.commit();
    assert_eq!(world.out(), ["b"], "a is recorded and not run again");
    assert_eq!(world.row("b"), (StepStatus::Running, 2));
    world.end("b", Ok(json!(2)));
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Succeeded);
}

#[test]
fn what_was_not_committed_is_computed_again() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            node(
                "t",
                json!({"kind": "transform", "output": "{{ steps.a.output.status + 1 }}"})
            )
        ]),
        edges(&["start->a", "a->t"]),
    );
    world.claim();
    world.commit();
    world.end("a", Ok(json!({"status": 1})));
    // Died before the commit: the call is made again.
    world.claim();
    world.commit();
    assert_eq!(world.row("a"), (StepStatus::Running, 2));
    world.end("a", Ok(json!({"status": 1})));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"t": 2})));
}

#[test]
fn failed_and_skipped_steps_are_remembered() {
    let mut world = World::new(
        json!([
            trigger(),
            http(
                "a",
                json!({"retry": {"max_attempts": 1}, "on_error": "branch"})
            ),
            http("good", json!({})),
            http("bad", json!({})),
            node(
                "t",
                json!({"kind": "transform", "output": "{{ steps.a.error.code }}"})
            ),
        ]),
        edges(&["start->a", "a->good", "a:error->bad", "bad->t"]),
    );
    world.claim();
    world.commit();
    world.end("a", Err(broken()));
    world.commit();
    world.claim();
    world.commit();
    assert_eq!(world.out(), ["bad"]);
    world.end("bad", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"t": "http_status"})));
    assert_eq!(world.row("good").0, StepStatus::Skipped);
}

#[test]
fn claims_without_progress_end_it() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    for _ in 0..10 {
        world.claim();
        assert!(world.record.as_ref().unwrap().error.is_none());
    }
    world.claim();
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Failed));
    assert_eq!(world.error.as_ref().unwrap()["code"], "crash_loop");
}

#[test]
fn a_step_that_kills_its_workers_ends_it() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({"retry": {"max_attempts": 2}}))]),
        edges(&["start->a"]),
    );
    let mut claims = 0;
    while world.left.is_none() {
        claims += 1;
        world.claim();
        world.commit_all();
    }
    assert_eq!(
        claims, 13,
        "two attempts of its own, ten crashes, and the claim that says so"
    );
    let error = world.error.clone().unwrap();
    assert_eq!(
        (&error["code"], &error["node_id"]),
        (&json!("crash_loop"), &json!("a"))
    );
    assert_eq!(world.row("a").0, StepStatus::Cancelled);
}

#[test]
fn a_cancellation_that_nobody_carried_out_is() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    world.claim();
    world.commit();
    world.cancel_requested = true;
    world.claim();
    world.commit_all();
    assert!(world.out().is_empty());
    assert_eq!(
        (world.left, world.row("a").0),
        (Some(ExecutionStatus::Cancelled), StepStatus::Cancelled)
    );
}

#[test]
fn rows_that_fit_no_plan_end_it() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({})), http("b", json!({}))]),
        edges(&["start->a", "a->b"]),
    );
    world.claim();
    world.commit();
    let mut row = world.rows["a"].clone();
    row.node_id = "b".to_owned();
    world.rows.insert("b".to_owned(), row);
    world.claim();
    world.commit_all();
    assert_eq!(
        world.error.as_ref().unwrap()["code"],
        "inconsistent_history"
    );
}
