//! Forward: order, joins, skips, commits.

use serde_json::json;

use super::world::{World, edges, http, node, trigger};
use crate::state::{ExecutionStatus, StepStatus};

#[test]
fn steps_without_effects_take_one_commit() {
    let mut world = World::new(
        json!([
            trigger(),
            node(
                "double",
                json!({"kind": "transform", "output": "{{ input.n * 2 }}"})
            )
        ]),
        edges(&["start->double"]),
    );
    world.claim();
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Succeeded));
    assert_eq!(world.commits, 1);
    assert_eq!(world.output, Some(json!({"double": 14})));
    assert_eq!(
        world.statuses(),
        [("double", "succeeded"), ("start", "succeeded")]
    );
}

#[test]
fn an_effect_is_recorded_before_it_begins_and_before_anything_follows() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({})), http("b", json!({}))]),
        edges(&["start->a", "a->b"]),
    );
    world.claim();
    assert!(world.out().is_empty());
    world.commit();
    assert_eq!(world.out(), ["a"]);

    world.end("a", Ok(json!({"status": 200})));
    assert!(world.out().is_empty(), "b waits for the commit of a");
    world.commit();
    // The result of one and the beginning of the next share a commit.
    assert_eq!(world.row("a"), (StepStatus::Succeeded, 1));
    assert_eq!(world.out(), ["b"]);
    world.end("b", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.commits, 3);
    assert_eq!(world.output, Some(json!({"b": 1})));
}

#[test]
fn branches_run_side_by_side_and_join() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            http("b", json!({})),
            node(
                "join",
                json!({"kind": "transform", "output": "{{ steps.a.output + steps.b.output }}"})
            ),
        ]),
        edges(&["start->a", "start->b", "a->join", "b->join"]),
    );
    world.claim();
    world.commit_all();
    assert_eq!(world.out(), ["a", "b"]);
    world.end("b", Ok(json!(2)));
    world.commit_all();
    assert_eq!(world.left, None);
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"join": 3})));
}

#[test]
fn what_is_not_chosen_is_skipped_and_recorded() {
    let mut world = World::new(
        json!([
            trigger(),
            node("big", json!({"kind": "if", "condition": "input.n > 5"})),
            node("yes", json!({"kind": "transform", "output": "yes"})),
            http("no", json!({})),
            node("after_no", json!({"kind": "transform", "output": "no"})),
            node(
                "end",
                json!({"kind": "transform", "output": "{{ steps.no.output.body | default('end') }}"})
            ),
        ]),
        edges(&[
            "start->big",
            "big:true->yes",
            "big:false->no",
            "no->after_no",
            "yes->end",
            "after_no->end",
        ]),
    );
    world.claim();
    world.commit_all();
    assert_eq!(
        world.statuses(),
        [
            ("after_no", "skipped"),
            ("big", "succeeded"),
            ("end", "succeeded"),
            ("no", "skipped"),
            ("start", "succeeded"),
            ("yes", "succeeded")
        ]
    );
    assert_eq!(world.rows["big"].handle.as_deref(), Some("true"));
    assert_eq!(world.output, Some(json!({"end": "end"})));
}

#[test]
fn a_switch_takes_the_first_case_that_holds() {
    let nodes = json!([
        trigger(),
        node(
            "size",
            json!({"kind": "switch", "cases": [
            {"handle": "large", "when": "input.n > 100"}, {"handle": "middle", "when": "input.n > 5"}, {"handle": "small", "when": "true"}]})
        ),
        node("l", json!({"kind": "transform", "output": "l"})),
        node("m", json!({"kind": "transform", "output": "m"})),
        node("s", json!({"kind": "transform", "output": "s"})),
        node("d", json!({"kind": "transform", "output": "d"})),
    ]);
    let connections = edges(&[
        "start->size",
        "size:large->l",
        "size:middle->m",
        "size:small->s",
        "size:default->d",
    ]);
    let mut world = World::new(nodes, connections);
    world.claim();
    world.commit_all();
    assert_eq!(world.output, Some(json!({"m": "m"})));
}

#[test]
fn results_that_come_during_a_commit_share_the_next() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            http("b", json!({})),
            http("c", json!({}))
        ]),
        edges(&["start->a", "start->b", "start->c"]),
    );
    world.claim();
    world.commit();
    world.end("a", Ok(json!(1)));
    world.end("b", Ok(json!(2)));
    world.end("c", Ok(json!(3)));
    world.commit_all();
    assert_eq!(world.commits, 3, "begin; a; b, c and the end");
    assert_eq!(world.output, Some(json!({"a": 1, "b": 2, "c": 3})));
}

#[test]
fn calls_out_at_a_time_are_bounded() {
    let ids: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let mut nodes = vec![trigger()];
    nodes.extend(ids.iter().map(|id| http(id, json!({}))));
    let texts: Vec<String> = ids.iter().map(|id| format!("start->{id}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut world = World::new(json!(nodes), edges(&texts));
    world.claim();
    let mut most = 0;
    while world.left.is_none() {
        world.commit_all();
        most = most.max(world.out.len());
        if let Some(first) = world.out().first().map(|id| (*id).to_owned()) {
            world.end(&first, Ok(json!(1)));
        }
    }
    assert_eq!(most, 16);
    assert_eq!(world.status, ExecutionStatus::Succeeded);
}

#[test]
fn a_result_that_postgres_cannot_keep_is_made_so_that_it_can() {
    let mut world = World::new(
        json!([trigger(), http("a", json!({}))]),
        edges(&["start->a"]),
    );
    world.claim();
    world.commit();
    world.end("a", Ok(json!({"body": "x\u{0}y"})));
    world.commit_all();
    assert_eq!(world.output, Some(json!({"a": {"body": "x\u{fffd}y"}})));
}

#[test]
fn now_is_when_the_execution_began_however_late_it_is() {
    let mut world = World::new(
        json!([
            trigger(),
            http("a", json!({})),
            node(
                "t",
                json!({"kind": "transform", "output": "{{ now }}|{{ execution.started_at }}"})
            )
        ]),
        edges(&["start->a", "a->t"]),
    );
    world.claim();
    world.commit();
    world.now += jiff::SignedDuration::from_hours(3);
    world.claim();
    world.commit();
    world.end("a", Ok(json!(1)));
    world.commit_all();
    assert_eq!(
        world.output,
        Some(json!({"t": "2026-01-31T09:00:00Z|2026-01-31T09:00:00Z"}))
    );
}
