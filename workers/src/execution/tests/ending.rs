//! Failure, retries, time, cancellation.

use serde_json::json;

use super::world::{World, broken, edges, http, node, trigger};
use crate::execution::Event;
use crate::nodes::Failure;
use crate::state::{ExecutionStatus, StepStatus};

fn one_call(more: serde_json::Value) -> World {
    let mut world = World::new(json!([trigger(), http("a", more)]), edges(&["start->a"]));
    world.claim();
    world.commit();
    world
}

#[test]
fn a_failed_attempt_waits_in_the_database_and_runs_again() {
    let mut world =
        one_call(json!({"retry": {"max_attempts": 3, "initial_seconds": 60, "max_seconds": 60}}));
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    assert_eq!(world.row("a"), (StepStatus::Waiting, 1));
    assert_eq!(world.run_at, world.rows["a"].run_at);
    assert_eq!(
        world.rows["a"].error,
        Some(json!({"code": "http_status", "message": "answered 503"}))
    );

    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(world.row("a"), (StepStatus::Running, 2));
    world.end("a", Ok(json!("at last")));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"a": "at last"})));
    assert_eq!(world.rows["a"].error, None);
}

#[test]
fn a_short_wait_stays_in_memory() {
    let mut world = one_call(json!({"retry": {"max_attempts": 2, "initial_seconds": 0.5}}));
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(
        (world.left, world.row("a")),
        (None, (StepStatus::Waiting, 1))
    );
    let wakes_at = world.run.as_ref().unwrap().wakes_at().unwrap();
    world.pass(wakes_at.duration_since(world.now).as_secs_f64() + 0.001);
    world.commit_all();
    assert_eq!(world.out(), ["a"]);
    assert_eq!(world.run.as_ref().unwrap().wakes_at(), None);
}

#[test]
fn a_timer_that_is_due_before_its_row_is_written_waits_for_that() {
    let mut world = one_call(json!({"retry": {"max_attempts": 2, "initial_seconds": 0.1}}));
    world.end("a", Err(broken()));
    world.pass(5.0);
    let record = world.record.as_ref().expect("the wait is being written");
    assert_eq!(
        (record.steps[0].status, record.steps[0].attempt),
        (StepStatus::Waiting, 1)
    );
    world.commit_all();
    assert_eq!(world.row("a"), (StepStatus::Running, 2));
}

#[test]
fn the_last_failure_ends_the_execution() {
    let mut world = one_call(json!({"retry": {"max_attempts": 1}}));
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Failed));
    assert_eq!(
        world.error,
        Some(json!({"code": "http_status", "message": "answered 503", "node_id": "a"}))
    );
}

#[test]
fn a_failure_stops_its_siblings() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({"retry": {"max_attempts": 1}})),
            http("b", json!({})),
            node("pause", json!({"kind": "delay", "seconds": 900}))
        ]),
        edges(&["start->a", "start->b", "start->pause"]),
    );
    world.claim();
    world.commit_all();
    world.tell(Event::Reserved {
        place: world.plan.position("b").unwrap().into(),
        attempt: 1,
        reservation: Some(uuid::Uuid::max()),
    });
    world.end("a", Err(broken()));
    assert_eq!(world.stopped, ["b"]);
    world.commit_all();
    assert_eq!(
        world.statuses(),
        [
            ("a", "failed"),
            ("b", "cancelled"),
            ("pause", "cancelled"),
            ("start", "succeeded")
        ]
    );
    assert_eq!(
        world.rows["b"].reservation,
        Some(uuid::Uuid::max()),
        "what was set aside is given back"
    );
}

#[test]
fn a_step_that_was_about_to_begin_does_not() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({"retry": {"max_attempts": 1}})),
            http("b", json!({})),
            http("c", json!({}))
        ]),
        edges(&["start->a", "start->b", "b->c"]),
    );
    world.claim();
    world.commit_all();
    world.end("b", Ok(json!(1)));
    // The record with the beginning of c is on its way.
    world.end("a", Err(broken()));
    world.commit_all();
    assert!(world.out().is_empty());
    assert_eq!(
        world.statuses(),
        [
            ("a", "failed"),
            ("b", "succeeded"),
            ("c", "cancelled"),
            ("start", "succeeded")
        ]
    );
}

#[test]
fn on_error_continue_goes_on_with_null() {
    let mut world = World::new(
        json!([
            trigger(),
            http(
                "a",
                json!({"retry": {"max_attempts": 1}, "on_error": "continue"})
            ),
            node(
                "t",
                json!({"kind": "transform", "output": ["{{ steps.a.output }}", "{{ steps.a.error.code }}", "{{ steps.a.status }}"]})
            ),
        ]),
        edges(&["start->a", "a->t"]),
    );
    world.claim();
    world.commit();
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(world.row("a").0, StepStatus::Failed);
    assert_eq!(
        world.output,
        Some(json!({"t": [null, "http_status", "failed"]}))
    );
}

#[test]
fn on_error_branch_takes_the_other_way() {
    let mut world = World::new(
        json!([
            trigger(),
            http(
                "a",
                json!({"retry": {"max_attempts": 1}, "on_error": "branch"})
            ),
            node("good", json!({"kind": "transform", "output": 1})),
            node(
                "bad",
                json!({"kind": "transform", "output": "{{ steps.a.output | default(steps.a.error.message) }}"})
            ),
        ]),
        edges(&["start->a", "a->good", "a:error->bad"]),
    );
    world.claim();
    world.commit();
    world.end("a", Err(broken()));
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Succeeded);
    assert_eq!(world.row("good").0, StepStatus::Skipped);
    assert_eq!(world.output, Some(json!({"bad": "answered 503"})));
}

#[test]
fn an_expression_that_fails_fails_its_step() {
    let mut world = World::new(
        json!([
            trigger(),
            node(
                "t",
                json!({"kind": "transform", "output": {"x": "{{ input.missing.deeper }}"}})
            )
        ]),
        edges(&["start->t"]),
    );
    world.claim();
    world.commit_all();
    let error = world.error.clone().unwrap();
    assert_eq!(
        (&error["code"], &error["node_id"]),
        (&json!("expression_failed"), &json!("t"))
    );
    assert_eq!(
        world.rows["t"].error.as_ref().unwrap()["details"]["pointer"],
        "/output/x"
    );
}

#[test]
fn a_delay_is_one_commit_and_a_row() {
    let mut world = World::new(
        json!([
            trigger(),
            node("pause", json!({"kind": "delay", "seconds": 3600}))
        ]),
        edges(&["start->pause"]),
    );
    world.claim();
    world.commit_all();
    assert_eq!(
        (world.left, world.commits),
        (Some(ExecutionStatus::Waiting), 1)
    );
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(
        world.output,
        Some(json!({"pause": {"until": "2026-01-31T10:00:00Z"}}))
    );
    assert_eq!(world.row("pause"), (StepStatus::Succeeded, 1));
}

#[test]
fn a_cancellation_stops_what_is_out() {
    let mut world = one_call(json!({}));
    world.tell(Event::CancelRequested);
    world.commit_all();
    assert_eq!(
        (world.left, world.stopped.len()),
        (Some(ExecutionStatus::Cancelled), 1)
    );
    assert_eq!(world.row("a"), (StepStatus::Cancelled, 1));
}

#[test]
fn a_cancellation_is_heard_in_the_answer_to_a_record() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    world.claim();
    world.cancel_requested = true;
    world.commit();
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Cancelled));
}

#[test]
fn a_cancellation_that_comes_after_the_end_is_too_late() {
    let mut world = one_call(json!({}));
    world.end("a", Ok(json!(1)));
    world.tell(Event::CancelRequested);
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Succeeded));
}

#[test]
fn a_result_that_the_database_refuses_fails_the_execution() {
    let mut world = one_call(json!({}));
    world.end("a", Ok(json!("poison")));
    world.record = None;
    world.tell(Event::Unrecordable {
        why: "invalid".to_owned(),
    });
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Failed));
    assert_eq!(world.error.as_ref().unwrap()["code"], "not_recordable");
    assert_eq!(
        (world.row("a").0, world.rows["a"].output.is_none()),
        (StepStatus::Failed, true)
    );
}

#[test]
fn outputs_have_a_size() {
    let mut world = one_call(json!({"retry": {"max_attempts": 5}}));
    world.end("a", Ok(json!("x".repeat(5 << 20))));
    world.commit_all();
    assert_eq!(world.error.as_ref().unwrap()["code"], "output_too_large");
}

#[test]
fn a_failure_that_would_repeat_itself_is_not_retried() {
    let mut world = one_call(json!({"retry": {"max_attempts": 5}}));
    world.end("a", Err(Failure::new("http_status", "answered 404")));
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Failed));
}
