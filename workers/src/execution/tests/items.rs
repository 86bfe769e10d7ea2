//! One action for each item of a list.

use serde_json::{Value, json};

use super::world::{World, broken, edges, for_each, node, trigger};
use crate::execution::Event;
use crate::nodes::Failure;
use crate::state::{ExecutionStatus, StepStatus};

fn call() -> Value {
    json!({"kind": "http", "url": "https://api.example/{{ item }}/{{ index }}"})
}

fn each(count: usize, action: Value, config: Value, more: Value) -> World {
    let mut world = World::new(
        json!([
            trigger(),
            for_each("each", action, config, more),
            node(
                "last",
                json!({"kind": "transform", "output": "{{ steps.each.output }}"})
            )
        ]),
        edges(&["start->each", "each->last"]),
    );
    let list: Vec<_> = (0..count).map(|n| format!("x{n}")).collect();
    world.input = json!({"list": list});
    world.claim();
    world.commit();
    world
}

#[test]
fn each_item_is_a_step_of_its_own() {
    let mut world = each(3, call(), json!({}), json!({}));
    assert_eq!(world.out(), ["each[0]", "each[1]", "each[2]"]);
    assert_eq!(world.row("each"), (StepStatus::Running, 1));
    assert_eq!(world.out[1].config["url"], "https://api.example/x1/1");
    assert_eq!(world.rows["each[1]"].kind, "http");
    assert_eq!(
        world.rows["each"].input.as_deref(),
        Some(&json!({"kind": "for_each", "count": 3, "concurrency": 10, "on_item_error": "fail"}))
    );
    world.end("each[1]", Ok(json!("b")));
    world.end("each[2]", Ok(json!("c")));
    world.commit_all();
    assert_eq!(world.row("each").0, StepStatus::Running);
    world.end("each[0]", Ok(json!("a")));
    world.commit_all();
    assert_eq!(
        world.output,
        Some(json!({"last": {"items": ["a", "b", "c"], "failed": []}}))
    );
}

#[test]
fn an_empty_list_is_done_and_what_is_no_list_fails() {
    let mut world = each(0, call(), json!({}), json!({}));
    world.commit_all();
    assert_eq!(
        world.output,
        Some(json!({"last": {"items": [], "failed": []}}))
    );
    for items in [
        "{{ input }}",
        "{{ input.list | length }}",
        "{{ range(10001) }}",
    ] {
        let mut world = each(3, call(), json!({"items": items}), json!({}));
        world.commit_all();
        assert_eq!(
            world.error.as_ref().unwrap()["code"],
            "invalid_config",
            "{items}"
        );
    }
}

#[test]
fn items_at_a_time_are_bounded_by_the_node_and_by_the_execution() {
    for (concurrency, most) in [(3, 3), (100, 16)] {
        let mut world = each(
            50,
            call(),
            json!({"concurrency": concurrency}),
            json!({"retry": {"max_attempts": 2, "initial_seconds": 0.1}}),
        );
        let mut seen = 0;
        while world.left.is_none() {
            world.commit_all();
            seen = seen.max(world.out.len());
            if let Some(first) = world.out().first().cloned() {
                // Every item of a full ten fails once, and waits for the next attempt without making room.
                let is_first = world.row(&first).1 == 1;
                let result = match first.ends_with("0]") && is_first {
                    true => Err(broken()),
                    false => Ok(json!(first)),
                };
                world.end(&first, result);
            } else {
                world.pass(0.2);
            }
        }
        assert_eq!(seen, most);
        let items = &world.output.as_ref().unwrap()["last"]["items"];
        let expected: Vec<_> = (0..50).map(|n| format!("each[{n}]")).collect();
        assert_eq!(items, &json!(expected));
    }
}

#[test]
fn a_crash_repeats_at_most_what_was_out() {
    let mut world = each(6, call(), json!({"concurrency": 3}), json!({}));
    world.end("each[1]", Ok(json!("b")));
    world.commit();
    assert_eq!(world.out(), ["each[0]", "each[2]", "each[3]"]);
    world.end("each[0]", Ok(json!("never recorded")));
    world.claim();
    world.commit_all();
    assert_eq!(world.out(), ["each[0]", "each[2]", "each[3]"]);
    assert_eq!(world.row("each"), (StepStatus::Running, 1));
    assert_eq!(world.row("each[0]"), (StepStatus::Running, 2));
    while let Some(first) = world.out().first().cloned() {
        world.end(&first, Ok(json!(first)));
        world.commit_all();
    }
    assert_eq!(
        world.output,
        Some(
            json!({"last": {"items": ["each[0]", "b", "each[2]", "each[3]", "each[4]", "each[5]"], "failed": []}})
        )
    );
}

#[test]
fn each_item_has_the_attempts_of_the_node() {
    let mut world = each(
        2,
        call(),
        json!({}),
        json!({"retry": {"max_attempts": 2, "initial_seconds": 60}}),
    );
    world.end("each[0]", Err(broken()));
    world.end("each[1]", Ok(json!(1)));
    world.commit_all();
    assert_eq!(
        (world.left, world.row("each[0]")),
        (Some(ExecutionStatus::Waiting), (StepStatus::Waiting, 1))
    );
    assert_eq!(world.run_at, world.rows["each[0]"].run_at);
    world.now = world.run_at.unwrap();
    world.claim();
    world.commit_all();
    assert_eq!(world.out(), ["each[0]"]);
    world.end("each[0]", Ok(json!(0)));
    world.commit_all();
    assert_eq!(
        world.output.as_ref().unwrap()["last"]["items"],
        json!([0, 1])
    );
}

#[test]
fn the_first_item_that_fails_ends_the_step_and_stops_the_others() {
    let mut world = each(
        20,
        call(),
        json!({"concurrency": 3}),
        json!({"retry": {"max_attempts": 1}, "on_error": "continue"}),
    );
    world.end("each[0]", Ok(json!(1)));
    world.commit_all();
    world.end("each[2]", Err(broken()));
    assert_eq!(world.stopped, ["each[1]", "each[3]"]);
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Succeeded);
    assert_eq!(world.output, Some(json!({"last": null})));
    assert_eq!(
        world.rows["each"].error,
        Some(json!({
            "code": "item_failed", "message": "item 2 failed: answered 503",
            "details": {"index": 2, "error": {"code": "http_status", "message": "answered 503"}}
        }))
    );
    let items: Vec<_> = world
        .statuses()
        .into_iter()
        .filter(|(key, _)| key.contains('['))
        .collect();
    assert_eq!(
        items,
        [
            ("each[0]", "succeeded"),
            ("each[1]", "cancelled"),
            ("each[2]", "failed"),
            ("each[3]", "cancelled")
        ]
    );
}

#[test]
fn items_that_fail_are_listed_where_the_others_go_on() {
    let mut world = each(
        3,
        call(),
        json!({"on_item_error": "continue", "concurrency": 1}),
        json!({"retry": {"max_attempts": 1}}),
    );
    world.end("each[0]", Ok(json!(1)));
    world.commit_all();
    world.end("each[1]", Err(broken()));
    world.commit_all();
    // Recorded failures are remembered.
    world.claim();
    world.commit_all();
    world.end("each[2]", Ok(json!(3)));
    world.commit_all();
    assert_eq!(
        world.output.as_ref().unwrap()["last"],
        json!({"items": [1, null, 3], "failed": [{"index": 1, "error": {"code": "http_status", "message": "answered 503"}}]})
    );
}

#[test]
fn an_item_whose_template_fails_is_one_that_fails() {
    let action = json!({"kind": "http", "url": "https://api.example/{{ item.missing.more }}"});
    let mut world = each(2, action, json!({"on_item_error": "continue"}), json!({}));
    world.commit_all();
    let failed = &world.output.as_ref().unwrap()["last"]["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 2);
    assert_eq!(failed[0]["error"]["code"], "expression_failed");
}

#[test]
fn computed_items_are_written_in_portions() {
    let action = json!({"kind": "transform", "output": "{{ item }}-{{ index }}"});
    let mut world = each(1_000, action, json!({}), json!({}));
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Succeeded);
    assert_eq!(world.commits, 4, "256 at a time, and the end with the last");
    let output = &world.output.as_ref().unwrap()["last"]["items"];
    assert_eq!(output[999], "x999-999");
    assert_eq!(world.rows["each[999]"].kind, "transform");
}

#[test]
fn the_outputs_of_all_items_together_are_bounded() {
    let mut world = each(9, call(), json!({"on_item_error": "continue"}), json!({}));
    let large = "x".repeat(1_000_000);
    for item in 0..5 {
        world.end(&format!("each[{item}]"), Ok(json!(large)));
        world.commit_all();
    }
    assert_eq!(world.error.as_ref().unwrap()["code"], "output_too_large");
    assert!(world.out().is_empty());
}

#[test]
fn called_workflows_hold_their_places_until_they_end() {
    let action = json!({"kind": "call_workflow", "workflow_id": "00000000-0000-0000-0000-000000000000", "input": "{{ item }}"});
    let mut world = each(3, action, json!({"concurrency": 2}), json!({}));
    world.child_started("each[0]");
    world.child_started("each[1]");
    world.commit_all();
    assert_eq!(
        (world.left, world.run_at),
        (Some(ExecutionStatus::Waiting), None)
    );
    assert!(world.child_ends("each[1]", "succeeded"));
    world.claim();
    world.commit_all();
    assert_eq!(world.out(), ["each[2]"]);
    world.child_started("each[2]");
    world.commit_all();
    world.child_ends("each[2]", "succeeded");
    world.child_ends("each[0]", "failed");
    world.claim();
    world.commit_all();
    assert_eq!(world.error.as_ref().unwrap()["code"], "item_failed");
    assert_eq!(world.children, 3);
}

#[test]
fn a_cancellation_and_a_stopped_worker_reach_the_items() {
    let mut world = each(3, call(), json!({}), json!({}));
    world.tell(Event::DrainDeadline);
    world.commit_all();
    assert_eq!(world.left, Some(ExecutionStatus::Waiting));
    assert_eq!(world.row("each[2]"), (StepStatus::Waiting, 1));
    world.claim();
    world.commit_all();
    assert_eq!(world.row("each[2]"), (StepStatus::Running, 2));
    world.tell(Event::CancelRequested);
    world.commit_all();
    assert_eq!(world.status, ExecutionStatus::Cancelled);
    for step in ["each", "each[0]", "each[1]", "each[2]"] {
        assert_eq!(world.row(step).0, StepStatus::Cancelled);
    }
}

#[test]
fn items_that_were_taken_over_from_elsewhere_are_not_done_again() {
    let mut first = each(
        4,
        call(),
        json!({"concurrency": 4}),
        json!({"retry": {"max_attempts": 1}}),
    );
    first.end("each[1]", Ok(json!("b")));
    first.end("each[3]", Ok(json!("d")));
    first.commit_all();
    first.end("each[2]", Err(Failure::new("http_status", "answered 404")));
    first.commit_all();
    assert_eq!(first.status, ExecutionStatus::Failed);

    let mut again = each(4, call(), json!({"concurrency": 4}), json!({}));
    again.rows = first
        .rows
        .into_iter()
        .filter(|(_, row)| row.status == StepStatus::Succeeded)
        .collect();
    again.claim();
    again.commit_all();
    assert_eq!(again.out(), ["each[0]", "each[2]"]);
    again.end("each[0]", Ok(json!("a")));
    again.end("each[2]", Ok(json!("c")));
    again.commit_all();
    assert_eq!(
        again.output.as_ref().unwrap()["last"]["items"],
        json!(["a", "b", "c", "d"])
    );
}

#[test]
fn rows_of_items_that_cannot_be_end_it() {
    let world = each(2, call(), json!({}), json!({}));
    let rows = world.rows.clone();
    for change in 0..3 {
        let mut world = each(2, call(), json!({}), json!({}));
        world.rows = rows.clone();
        match change {
            // More items than the list has.
            0 => world.input = json!({"list": ["x0"]}),
            // Items of a step that has not begun.
            1 => drop(world.rows.remove("each")),
            // Items of a step that has none.
            _ => {
                let mut row = world.rows["each[0]"].clone();
                row.node_id = "last".to_owned();
                world.rows.insert("last[0]".to_owned(), row);
            }
        }
        world.claim();
        // A step without a plan for its row cannot be closed by it.
        if change == 2 {
            let record = world.record.take().unwrap();
            assert_eq!(record.error.unwrap()["code"], "inconsistent_history");
            continue;
        }
        world.commit_all();
        assert_eq!(
            world.error.as_ref().unwrap()["code"],
            "inconsistent_history",
            "{change}"
        );
    }
}
