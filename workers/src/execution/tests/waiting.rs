//! Steps that somebody else goes on with: events, decisions, called workflows.

use serde_json::{Value, json};

use super::world::{World, call_workflow, child_id, edges, http, node, trigger};
use crate::execution::Event;
use crate::nodes::Failure;
use crate::queue::{Signal, WaitKind};
use crate::state::{ExecutionStatus, StepStatus};

fn waits_for(event: Value, more: Value) -> World {
    let mut wait = node("wait", event);
    for (name, value) in more.as_object().into_iter().flatten() {
        wait[name] = value.clone();
    }
    let last = node(
        "last",
        json!({"kind": "transform", "output": "{{ steps.wait.output }}"}),
    );
    let mut world = World::new(
        json!([trigger(), wait, last]),
        edges(&["start->wait", "wait->last"]),
    );
    world.claim();
    world.commit_all();
    world
}

fn event() -> Value {
    json!({"event": "paid", "key": "7", "payload": {"sum": 3}, "received_at": "2026-01-31T09:05:00Z"})
}

#[test]
fn a_wait_is_a_row_and_its_event_is_the_output() {
    let mut world = waits_for(
        json!({"kind": "wait_for_event", "event": "paid", "key": "{{ input.n }}"}),
        json!({}),
    );
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    assert_eq!(world.run_at, None, "nothing but the event wakes it");
    let wait = world.rows["wait"].wait.clone().unwrap();
    assert_eq!(
        (wait.kind, wait.name.as_deref(), wait.key.as_deref()),
        (WaitKind::Event, Some("paid"), Some("7"))
    );
    assert!(world.deliver("wait", event()));
    world.claim();
    world.commit_all();
    assert_eq!(world.output, Some(json!({"last": event()})));
    assert_eq!(world.row("wait"), (StepStatus::Succeeded, 1));
}

#[test]
fn an_event_reaches_an_execution_that_is_held() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            node("wait", json!({"kind": "wait_for_event", "event": "paid"}))
        ]),
        edges(&["start->a", "start->wait"]),
    );
    world.claim();
    world.commit_all();
    assert_eq!(world.left, None, "a is out");
    assert!(world.deliver("wait", event()));
    // The same, and something for steps that do not wait: told again by the next renewal.
    let stray = |node: &str, item| Signal {
        node_id: node.to_owned(),
        item,
        payload: json!(1),
    };
    world.tell(Event::Signalled(vec![
        stray("wait", None),
        stray("a", None),
        stray("a", Some(3)),
        stray("nobody", None),
    ]));
    world.end("a", Ok(json!(2)));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"a": 2, "wait": event()})));
}

#[test]
fn an_event_that_comes_while_it_is_put_away_is_not_lost() {
    let mut world = World::new(
        json!([
            trigger(),
            node("wait", json!({"kind": "wait_for_event", "event": "paid"}))
        ]),
        edges(&["start->wait"]),
    );
    world.claim();
    let record = world.record.take().expect("it is put away");
    world.apply(record);
    // The answer to the record is on its way; the event is faster.
    assert!(world.deliver("wait", event()));
    world.run_at = Some(world.now);
    world.tell(Event::Recorded {
        cancel_requested: false,
    });
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    world.claim();
    world.commit_all();
    assert_eq!(world.output, Some(json!({"wait": event()})));
}

#[test]
fn whoever_waits_too_long_fails_once_and_on_error_decides() {
    let config = json!({"kind": "wait_for_event", "event": "paid", "timeout": 60});
    let mut world = waits_for(config.clone(), json!({"retry": {"max_attempts": 5}}));
    assert_eq!(
        world.run_at.unwrap().duration_since(world.now).as_secs(),
        60
    );
    assert_eq!(world.run_at, world.rows["wait"].run_at);
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(world.error.as_ref().unwrap()["code"], "wait_timed_out");
    assert_eq!(world.row("wait"), (StepStatus::Failed, 1));

    let mut world = waits_for(config, json!({"on_error": "continue", "timeout": 5}));
    assert_eq!(
        world.run_at.unwrap().duration_since(world.now).as_secs(),
        5,
        "the node's own timeout is the shorter one"
    );
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(world.output, Some(json!({"last": null})));
}

#[test]
fn what_came_in_time_counts_however_late_it_is_seen() {
    let mut world = waits_for(
        json!({"kind": "wait_for_event", "event": "paid", "timeout": 60}),
        json!({}),
    );
    assert!(world.deliver("wait", event()));
    world.now += jiff::SignedDuration::from_hours(1);
    world.claim();
    world.commit_all();
    assert_eq!(world.output, Some(json!({"last": event()})));
}

#[test]
fn a_name_that_is_none_fails_the_step() {
    let world = waits_for(
        json!({"kind": "wait_for_event", "event": "{{ input }}"}),
        json!({}),
    );
    assert_eq!(world.error.as_ref().unwrap()["code"], "invalid_config");
    assert!(world.waits.is_empty());
}

fn decided(approved: bool) -> Value {
    json!({"approved": approved, "comment": null, "decided_by": "u", "decided_at": "2026-01-31T09:05:00Z"})
}

#[test]
fn a_decision_takes_its_branch_and_what_is_for_both() {
    for (approved, taken, skipped) in [(true, "yes", "no"), (false, "no", "yes")] {
        let mut world = World::new(
            json!([
                trigger(),
                node(
                    "sign",
                    json!({"kind": "approval", "message": "Pay {{ input.n }}?", "permission": "members.manage"})
                ),
                node("yes", json!({"kind": "transform", "output": 1})),
                node("no", json!({"kind": "transform", "output": 1})),
                node(
                    "both",
                    json!({"kind": "transform", "output": "{{ steps.sign.output.approved }}"})
                ),
            ]),
            edges(&[
                "start->sign",
                "sign:approved->yes",
                "sign:rejected->no",
                "sign->both",
            ]),
        );
        world.claim();
        world.commit_all();
        let wait = world.rows["sign"].wait.clone().unwrap();
        assert_eq!(
            (
                wait.kind,
                wait.message.as_deref(),
                wait.permission.as_deref()
            ),
            (WaitKind::Approval, Some("Pay 7?"), Some("members.manage"))
        );
        assert!(world.deliver("sign", decided(approved)));
        world.claim();
        world.commit_all();
        assert_eq!(world.row(taken).0, StepStatus::Succeeded);
        assert_eq!(world.row(skipped).0, StepStatus::Skipped);
        assert_eq!(world.output.as_ref().unwrap()["both"], approved);
    }
}

fn caller(more: Value) -> World {
    let mut world = World::new(
        json!([trigger(), call_workflow("call", more)]),
        edges(&["start->call"]),
    );
    world.claim();
    world.commit();
    world
}

#[test]
fn a_called_workflow_is_waited_for() {
    let mut world = caller(json!({}));
    assert_eq!(world.out(), ["call"]);
    assert_eq!(world.out[0].config["input"], json!({"n": 7}));
    world.child_started("call");
    world.commit_all();
    assert_eq!(
        (world.left, world.run_at, world.row("call")),
        (
            Some(ExecutionStatus::Waiting),
            None,
            (StepStatus::Waiting, 1)
        )
    );
    assert_eq!(
        world.rows["call"].output.as_deref(),
        Some(&json!({"execution_id": child_id(1)}))
    );
    assert!(world.child_ends("call", "succeeded"));
    world.claim();
    world.commit_all();
    assert_eq!(
        world.output,
        Some(
            json!({"call": {"execution_id": child_id(1), "status": "succeeded", "output": {"a": 1}}})
        )
    );
    assert_eq!(world.children, 1);
}

#[test]
fn a_called_workflow_may_end_before_its_call_comes_back() {
    let mut world = caller(json!({}));
    world.start_child("call");
    assert!(world.child_ends("call", "succeeded"));
    world.child_answers("call");
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Succeeded));
}

#[test]
fn a_crash_around_the_call_starts_no_second_execution() {
    // It had not ended when the worker died, and is waited for by the next attempt.
    let mut world = caller(json!({}));
    world.start_child("call");
    world.claim();
    world.commit();
    assert_eq!(world.row("call"), (StepStatus::Running, 2));
    world.child_started("call");
    world.commit_all();
    assert!(world.child_ends("call", "succeeded"));
    world.claim();
    world.commit_all();
    assert_eq!(
        (world.status, world.children),
        (ExecutionStatus::Succeeded, 1)
    );

    // It had, and there is nothing left to call; neither when the worker was stopped.
    for is_stopped in [false, true] {
        let mut world = caller(json!({}));
        world.start_child("call");
        if is_stopped {
            world.tell(Event::DrainDeadline);
            world.commit_all();
        } else {
            world.left = Some(ExecutionStatus::Running);
        }
        assert!(world.child_ends("call", "succeeded"));
        world.claim();
        world.commit_all();
        assert_eq!(
            (world.status, world.children, world.row("call").1),
            (ExecutionStatus::Succeeded, 1, 1)
        );
    }
}

#[test]
fn a_called_workflow_that_failed_is_called_again_only_where_the_step_says_so() {
    let mut world = caller(json!({}));
    world.child_started("call");
    world.commit_all();
    world.child_ends("call", "failed");
    world.claim();
    world.commit_all();
    assert_eq!(
        world.error.as_ref().unwrap()["code"],
        "called_workflow_failed"
    );
    assert_eq!(
        world.rows["call"].error.as_ref().unwrap()["details"],
        json!({"execution_id": child_id(1), "status": "failed", "error": {"code": "c", "message": "m"}})
    );

    let mut world = caller(json!({"retry": {"max_attempts": 4, "initial_seconds": 60}}));
    world.child_started("call");
    world.commit_all();
    world.child_ends("call", "cancelled");
    world.claim();
    world.commit_all();
    assert_eq!(world.row("call"), (StepStatus::Waiting, 1));
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit();
    // What the first one came to is told again, and means nothing any more: neither now nor after a crash.
    let signals = world.delivered();
    assert_eq!(signals.len(), 1);
    world.tell(Event::Signalled(signals));
    world.claim();
    world.commit();
    assert_eq!(world.row("call"), (StepStatus::Running, 3));
    assert_eq!(world.out[0].given_up, Some(child_id(1)));
    world.child_started("call");
    world.commit_all();
    world.child_ends("call", "succeeded");
    world.claim();
    world.commit_all();
    assert_eq!(
        (world.status, world.children),
        (ExecutionStatus::Succeeded, 2)
    );
}

#[test]
fn a_called_workflow_may_take_as_long_as_the_step_says() {
    let mut world =
        caller(json!({"timeout": 30, "retry": {"max_attempts": 2, "initial_seconds": 0}}));
    world.now += jiff::SignedDuration::from_secs(10);
    world.child_started("call");
    world.commit_all();
    let begun = world.rows["call"].started_at.unwrap();
    assert_eq!(world.run_at.unwrap().duration_since(begun).as_secs(), 30);
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    world.pass(1.0);
    world.commit_all();
    // Another attempt is another execution, and is patient anew.
    world.child_started("call");
    world.commit_all();
    assert_eq!((world.children, world.row("call").1), (2, 2));
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(world.error.as_ref().unwrap()["code"], "timeout");
}

#[test]
fn calls_are_not_endless() {
    for (depth, code) in [(7, None), (8, Some("call_too_deep"))] {
        let mut world = World::new(
            json!([trigger(), call_workflow("call", json!({}))]),
            edges(&["start->call"]),
        );
        world.depth = depth;
        world.claim();
        world.commit_all();
        let error = world.error.as_ref().map(|error| error["code"].clone());
        assert_eq!(error, code.map(|code| json!(code)));
    }
}

#[test]
fn a_call_that_is_refused_fails_the_step() {
    let mut world = caller(json!({"retry": {"max_attempts": 3}}));
    world.end(
        "call",
        Err(Failure::new("called_workflow_not_active", "it is a draft")),
    );
    world.commit_all();
    assert_eq!(world.row("call"), (StepStatus::Failed, 1));
}

#[test]
fn a_cancellation_closes_what_waits() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            node("wait", json!({"kind": "wait_for_event", "event": "paid"})),
            node("sign", json!({"kind": "approval"})),
            call_workflow("call", json!({}))
        ]),
        edges(&["start->a", "start->wait", "start->sign", "start->call"]),
    );
    world.claim();
    world.commit_all();
    world.child_started("call");
    world.commit_all();
    world.tell(Event::CancelRequested);
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Cancelled);
    for step in ["a", "wait", "sign", "call"] {
        assert_eq!(world.row(step).0, StepStatus::Cancelled);
    }
    assert!(world.waits.is_empty());
}
