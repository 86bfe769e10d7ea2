//! Running a plan: who is ready, who is skipped, and what is refused.

mod graphs;

use graphs::{approval, edge, if_node, node, on_error, trigger};
use serde_json::json;
use workflow::{NodeState, Outcome, Plan, Progress, ProgressError, plan};

fn done() -> Outcome {
    Outcome::Succeeded { handle: None }
}

fn chose(handle: &str) -> Outcome {
    Outcome::Succeeded {
        handle: Some(handle.to_owned()),
    }
}

/// start -> check -(true)-> left -> join, check -(false)-> right -> join
fn diamond() -> Plan {
    plan(
        &json!([
            trigger("start"),
            if_node("check"),
            node("left"),
            node("right"),
            node("join")
        ]),
        &json!([
            edge("start", "check", None),
            edge("check", "left", Some("true")),
            edge("check", "right", Some("false")),
            edge("left", "join", None),
            edge("right", "join", None),
        ]),
    )
    .unwrap()
}

fn at(plan: &Plan, id: &str) -> usize {
    plan.position(id).unwrap()
}

#[test]
fn a_join_after_a_condition_runs_once_and_the_other_branch_is_skipped() {
    let plan = diamond();
    let mut progress = Progress::new(&plan);
    assert_eq!(progress.ready(), [at(&plan, "start")]);
    let settled = progress.settle(at(&plan, "start"), done()).unwrap();
    assert_eq!(settled.ready, [at(&plan, "check")]);

    let settled = progress.settle(at(&plan, "check"), chose("true")).unwrap();
    assert_eq!(settled.ready, [at(&plan, "left")]);
    assert_eq!(settled.skipped, [at(&plan, "right")]);
    assert_eq!(progress.state(at(&plan, "join")), Some(NodeState::Waiting));

    let settled = progress.settle(at(&plan, "left"), done()).unwrap();
    assert_eq!(settled.ready, [at(&plan, "join")]);
    assert!(!progress.is_finished());
    progress.settle(at(&plan, "join"), done()).unwrap();
    assert!(progress.is_finished());
    assert!(progress.ready().is_empty());
}

#[test]
fn skipping_propagates_to_the_end() {
    let plan = plan(
        &json!([
            trigger("start"),
            if_node("check"),
            node("a"),
            node("b"),
            node("c")
        ]),
        &json!([
            edge("start", "check", None),
            edge("check", "a", Some("true")),
            edge("a", "b", None),
            edge("b", "c", None),
        ]),
    )
    .unwrap();
    let mut progress = Progress::new(&plan);
    progress.settle(0, done()).unwrap();
    let settled = progress.settle(1, chose("false")).unwrap();
    assert_eq!(settled.skipped, [2, 3, 4]);
    assert!(progress.is_finished());
}

#[test]
fn failures_take_the_edges_that_on_error_says() {
    let plan = plan(
        &json!([
            trigger("start"),
            on_error("risky", "branch"),
            node("fine"),
            node("rescue")
        ]),
        &json!([
            edge("start", "risky", None),
            edge("risky", "fine", None),
            edge("risky", "rescue", Some("error")),
        ]),
    )
    .unwrap();
    let (fine, rescue) = (at(&plan, "fine"), at(&plan, "rescue"));
    for (outcome, ready, skipped) in [
        (done(), fine, rescue),
        (Outcome::FailedContinue, fine, rescue),
        (Outcome::FailedBranch, rescue, fine),
    ] {
        let mut progress = Progress::new(&plan);
        progress.settle(0, done()).unwrap();
        let settled = progress.settle(1, outcome.clone()).unwrap();
        assert_eq!(
            (settled.ready, settled.skipped),
            (vec![ready], vec![skipped]),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_condition_that_failed_and_continues_counts_as_not_fulfilled() {
    let plan = diamond();
    let mut progress = Progress::new(&plan);
    progress.settle(0, done()).unwrap();
    let settled = progress.settle(1, Outcome::FailedContinue).unwrap();
    assert_eq!(settled.ready, [at(&plan, "right")]);
}

#[test]
fn an_approval_takes_the_branch_of_the_decision_and_what_is_for_both() {
    let mut sign = approval("sign");
    sign["on_error"] = json!("branch");
    let plan = plan(
        &json!([
            trigger("start"),
            sign,
            node("yes"),
            node("no"),
            node("both"),
            node("late")
        ]),
        &json!([
            edge("start", "sign", None),
            edge("sign", "yes", Some("approved")),
            edge("sign", "no", Some("rejected")),
            edge("sign", "both", None),
            edge("sign", "late", Some("error")),
        ]),
    )
    .unwrap();
    for (outcome, ready) in [
        (chose("approved"), vec!["yes", "both"]),
        (chose("rejected"), vec!["no", "both"]),
        (Outcome::FailedContinue, vec!["no", "both"]),
        (Outcome::FailedBranch, vec!["late"]),
    ] {
        let mut progress = Progress::new(&plan);
        progress.settle(0, done()).unwrap();
        let settled = progress.settle(1, outcome.clone()).unwrap();
        let ids: Vec<_> = settled
            .ready
            .iter()
            .map(|node| plan.nodes[*node].id.as_str())
            .collect();
        assert_eq!(ids, ready, "{outcome:?}");
    }
    let mut progress = Progress::new(&plan);
    progress.settle(0, done()).unwrap();
    assert_eq!(
        progress.settle(1, done()),
        Err(ProgressError::MissingHandle(1))
    );
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let plan = diamond();
    let mut progress = Progress::new(&plan);
    assert_eq!(
        progress.settle(99, done()),
        Err(ProgressError::UnknownNode(99))
    );
    assert_eq!(progress.settle(1, done()), Err(ProgressError::NotReady(1)));
    progress.settle(0, done()).unwrap();
    assert_eq!(
        progress.settle(0, done()),
        Err(ProgressError::AlreadySettled(0))
    );
    assert_eq!(
        progress.settle(1, done()),
        Err(ProgressError::MissingHandle(1))
    );
    assert_eq!(progress.ready(), [1]);
    progress.settle(1, chose("true")).unwrap();
    let skipped = at(&plan, "right");
    assert_eq!(
        progress.settle(skipped, done()),
        Err(ProgressError::NotReady(skipped))
    );
}

#[test]
fn a_replay_in_any_order_gives_the_same_state() {
    let plan = diamond();
    let outcomes = vec![
        (at(&plan, "left"), done()),
        (at(&plan, "start"), done()),
        (at(&plan, "check"), chose("true")),
    ];
    let replayed = Progress::replay(&plan, outcomes).unwrap();
    assert_eq!(replayed.ready(), [at(&plan, "join")]);
    assert!(Progress::replay(&plan, [(at(&plan, "join"), done())]).is_err());
}
