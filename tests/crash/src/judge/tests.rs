//! A story in which all holds, and for each invariant a small change that breaks it.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::judge;
use crate::clients::Cancelled;
use crate::counter::Call;
use crate::facts::{Change, Charge, Execution, Facts, Step};
use crate::kills::Outage;
use crate::workers::Killed;
use crate::workflows::Workflow;

const ID: Uuid = Uuid::from_u128(1);

fn change(at: i64, node: &str, was: Option<&str>, status: &str, attempt: i32) -> Change {
    Change {
        at,
        node: Some(node.to_owned()),
        was: was.map(str::to_owned),
        status: status.to_owned(),
        attempt,
        revision: at,
        run_at: None,
        worker: Some(format!("host:{}:0a0b", 7 + attempt)),
    }
}

fn step(status: &str, attempt: i32, output: serde_json::Value) -> Step {
    Step {
        status: status.to_owned(),
        attempt,
        handle: None,
        output: Some(output),
        error: None,
    }
}

/// `start0`, `call1`, `transform2`, one after the other. The first worker, 8, was killed during the call, and 9 made it again.
fn story() -> Facts {
    let mut ended = change(60, "", Some("running"), "succeeded", 0);
    ended.node = None;
    let execution = Execution {
        workflow: 0,
        status: "succeeded".to_owned(),
        error: None,
        input: json!({"key": "k"}),
        steps: BTreeMap::from([
            ("start0".to_owned(), step("succeeded", 1, json!({}))),
            (
                "call1".to_owned(),
                step("succeeded", 2, json!({"body": {"number": 4}})),
            ),
            ("transform2".to_owned(), step("succeeded", 1, json!({}))),
        ]),
        changes: vec![
            change(10, "start0", None, "succeeded", 1),
            change(11, "call1", None, "running", 1),
            change(40, "call1", Some("running"), "running", 2),
            ended,
            change(61, "call1", Some("running"), "succeeded", 2),
            change(62, "transform2", None, "succeeded", 1),
        ],
    };
    let mut facts = Facts {
        workflows: vec![Workflow::line()],
        left_in_queue: vec![("jobs", 0)],
        charges: vec![Charge {
            charged: 1,
            executions: 1,
        }],
        killed: vec![Killed { pid: 8, at: 30 }],
        ..Facts::default()
    };
    facts.executions.insert(ID, execution);
    facts.answers.by_key.insert("k".to_owned(), vec![ID, ID]);
    let calls = [(20, 3), (50, 4)].map(|(at, number)| Call { at, number });
    facts.calls.insert((ID, "call1".to_owned()), calls.to_vec());
    facts
}

/// What is broken after a change of the story.
fn broken(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
    let mut facts = story();
    change(&mut facts);
    let verdicts = judge(&facts);
    let broken = verdicts.iter().filter(|verdict| !verdict.broken.is_empty());
    broken.map(|verdict| verdict.what).collect()
}

fn execution(facts: &mut Facts) -> &mut Execution {
    facts.executions.get_mut(&ID).unwrap()
}

fn of<'a>(facts: &'a mut Facts, node: &str) -> &'a mut Step {
    execution(facts).steps.get_mut(node).unwrap()
}

#[track_caller]
fn assert_broken(what: &str, change: impl FnOnce(&mut Facts)) {
    let broken = broken(change);
    assert!(
        broken.iter().any(|broken| broken.starts_with(what)),
        "\"{what}\" is not among {broken:?}"
    );
}

#[test]
fn the_story_holds() {
    assert_eq!(broken(|_| {}), Vec::<&str>::new());
}

#[test]
fn an_execution_that_is_lost_or_made_twice_is_seen() {
    let what = "what was accepted is there once";
    assert_broken(what, |facts| {
        facts.executions.clear();
    });
    assert_broken(what, |facts| {
        let other = Uuid::from_u128(2);
        facts.answers.by_key.get_mut("k").unwrap().push(other);
    });
    assert_broken(what, |facts| facts.answers.by_key.clear());
    assert_broken(what, |facts| {
        execution(facts).input = json!({"key": "another"});
    });
    assert_broken(what, |facts| {
        let answers = &mut facts.answers;
        answers.by_batch.insert("b".to_owned(), vec![ID]);
    });
    assert_broken("each execution is charged once", |facts| {
        facts.charges[0].charged = 2;
    });
}

#[test]
fn what_has_not_ended_is_seen() {
    let what = "every execution has ended";
    assert_broken(what, |facts| {
        execution(facts).status = "waiting".to_owned();
    });
    assert_broken(what, |facts| {
        of(facts, "call1").status = "running".to_owned()
    });
    assert_broken(what, |facts| {
        let answered = Cancelled::Answered("cancelled".to_owned());
        facts.answers.cancelled.insert(ID, answered);
    });
    assert_broken("the queue is empty", |facts| facts.left_in_queue[0].1 = 1);
}

#[test]
fn a_record_that_does_not_stay_is_seen() {
    let what = "a final status is recorded once";
    assert_broken(what, |facts| {
        let again = change(63, "call1", Some("succeeded"), "succeeded", 2);
        execution(facts).changes.push(again);
    });
    assert_broken(what, |facts| {
        execution(facts)
            .changes
            .push(change(63, "call1", None, "succeeded", 2));
    });
    assert_broken(what, |facts| {
        execution(facts).changes[3].node = Some("x".to_owned())
    });
    let what = "attempts and revisions only grow";
    assert_broken(what, |facts| execution(facts).changes[2].attempt = 3);
    assert_broken(what, |facts| execution(facts).changes[4].revision = 40);
}

#[test]
fn what_happens_before_its_time_is_seen() {
    let what = "no step begins before";
    assert_broken(what, |facts| execution(facts).changes.swap(4, 5));
    assert_broken(what, |facts| {
        facts
            .calls
            .get_mut(&(ID, "call1".to_owned()))
            .unwrap()
            .insert(0, Call { at: 9, number: 1 });
    });
    assert_broken("no timer ends early", |facts| {
        execution(facts).changes[1].run_at = Some(20_000);
    });
}

#[test]
fn what_the_workflow_does_not_say_is_seen() {
    let what = "what ran is what the workflow says";
    assert_broken(what, |facts| {
        execution(facts).steps.remove("transform2");
    });
    assert_broken(what, |facts| {
        of(facts, "transform2").status = "skipped".to_owned();
    });
    assert_broken(what, |facts| {
        of(facts, "call1").status = "skipped".to_owned()
    });
    assert_broken(what, |facts| of(facts, "transform2").attempt = 2);
    let what = "what failed was refused by the world";
    assert_broken(what, |facts| {
        execution(facts).error = Some(json!({"code": "crash_loop"}));
        execution(facts).status = "failed".to_owned();
    });
    assert_broken(what, |facts| {
        of(facts, "call1").error = Some(json!({"code": "http_status"}));
        of(facts, "call1").status = "failed".to_owned();
    });
    assert_broken(what, |facts| {
        execution(facts).status = "cancelled".to_owned();
    });
}

#[test]
fn a_call_too_many_is_seen() {
    let call = |facts: &mut Facts, at| {
        let calls = facts.calls.get_mut(&(ID, "call1".to_owned())).unwrap();
        calls.push(Call { at, number: 5 });
    };
    assert_broken("no call without an attempt", |facts| call(facts, 55));
    assert_broken("no call without an attempt", |facts| {
        let calls = vec![Call { at: 50, number: 9 }];
        facts.calls.insert((ID, "transform2".to_owned()), calls);
    });
    assert_broken("no call after its success", |facts| call(facts, 65));
    assert_broken("what is recorded of a call", |facts| {
        of(facts, "call1").output = Some(json!({"body": {"number": 99}}));
    });
}

#[test]
fn a_repeat_wants_a_kill() {
    let what = "no attempt begins again unless";
    assert_broken(what, |facts| facts.killed.clear());
    assert_broken(what, |facts| facts.killed[0].at = 41);
    // The database was away, and the lease ran out.
    let broken = broken(|facts| {
        facts.killed.clear();
        facts.outages.push(Outage { from: 12, to: 20 });
    });
    assert_eq!(broken, Vec::<&str>::new());
}

#[test]
fn a_worker_that_ends_by_itself_is_seen() {
    assert_broken("no worker ends by itself", |facts| {
        facts.ended_by_themselves.push("worker-1".to_owned());
    });
}
