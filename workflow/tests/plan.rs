//! What a worker gets.

mod graphs;

use graphs::{edge, for_each, if_node, node, trigger};
use serde_json::{Value, json};
use workflow::{Kind, OnError, Plan, Retry, plan, plan_of_text};

fn workflow() -> (Value, Value) {
    (
        json!([
            node("last"),
            {"id": "call", "type": "action", "name": "Call", "timeout": 5, "on_error": "branch", "retry": {"max_attempts": 7, "factor": 1.5},
             "config": {"kind": "http", "url": "https://example.com/{{ input.id }}"}},
            if_node("check"),
            trigger("start"),
        ]),
        json!([
            edge("check", "last", Some("true")),
            edge("call", "check", None),
            edge("call", "last", Some("error")),
            edge("start", "call", None),
        ]),
    )
}

#[test]
fn nodes_come_in_the_order_that_they_can_run_with_every_default() {
    let (nodes, connections) = workflow();
    let plan = plan(&nodes, &connections).unwrap();
    let ids: Vec<_> = plan.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(ids, ["start", "call", "check", "last"]);

    let call = &plan.nodes[1];
    assert_eq!(
        (call.kind, call.name.as_deref()),
        (Kind::Http, Some("Call"))
    );
    assert_eq!((call.timeout, call.on_error), (Some(5.0), OnError::Branch));
    assert_eq!(
        call.retry,
        Retry {
            max_attempts: 7,
            initial_seconds: 1.0,
            max_seconds: 60.0,
            factor: 1.5
        }
    );
    assert!(call.has_side_effect());
    assert_eq!(call.incoming, 1);
    let edges: Vec<_> = call
        .outgoing
        .iter()
        .map(|e| (e.to, e.handle.as_deref()))
        .collect();
    assert_eq!(edges, [(2, None), (3, Some("error"))]);

    let start = &plan.nodes[0];
    assert_eq!(
        (start.retry.max_attempts, start.on_error),
        (1, OnError::Fail)
    );
    assert!(!start.has_side_effect());
    assert_eq!(plan.nodes[3].incoming, 2);
}

#[test]
fn a_plan_survives_json_and_a_broken_one_is_refused() {
    let (nodes, connections) = workflow();
    let plan = plan(&nodes, &connections).unwrap();
    let stored = serde_json::to_value(&plan).unwrap();
    assert_eq!(stored["format"], 1);
    assert_eq!(
        serde_json::from_value::<Plan>(stored.clone()).unwrap(),
        plan
    );

    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 5] = [
        ("format", |plan| plan["format"] = json!(2)),
        ("out of place", |plan| {
            plan["nodes"][0]["kind"] = json!("http")
        }),
        ("out of place", |plan| {
            plan["nodes"][1]["kind"] = json!("manual")
        }),
        ("later node", |plan| {
            plan["nodes"][1]["outgoing"][0]["to"] = json!(1)
        }),
        ("incoming", |plan| plan["nodes"][3]["incoming"] = json!(1)),
    ];
    for (expected, break_it) in breaks {
        let mut broken = stored.clone();
        break_it(&mut broken);
        let error = serde_json::from_value::<Plan>(broken)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_workflow_with_errors_has_no_plan_but_warnings_do_no_harm() {
    let problems = plan(&json!([]), &json!([])).unwrap_err();
    assert_eq!(problems[0].code.as_str(), "missing_trigger");
    // The branch `false` of `check` leads nowhere, which is only a warning.
    let (nodes, connections) = workflow();
    assert!(!workflow::problems(&nodes, &connections).is_empty());
    assert!(workflow::is_valid(&nodes, &connections));

    assert!(plan_of_text(&nodes.to_string(), &connections.to_string()).is_ok());
    let problems = plan_of_text("[", "{}").unwrap_err();
    assert_eq!(problems[0].code.as_str(), "not_json");
}

#[test]
fn waits_grow_up_to_their_limit() {
    let retry = Retry {
        max_attempts: 5,
        initial_seconds: 1.0,
        max_seconds: 3.0,
        factor: 2.0,
    };
    let waits: Vec<_> = (1..=5).map(|attempt| retry.wait_after(attempt)).collect();
    assert_eq!(waits, [Some(1.0), Some(2.0), Some(3.0), Some(3.0), None]);
}

#[test]
fn the_items_of_a_for_each_have_the_attempts_of_their_action() {
    let attempts = |action: Value| {
        let plan = plan(
            &json!([trigger("start"), for_each("each", action)]),
            &json!([edge("start", "each", None)]),
        )
        .unwrap();
        let each = plan.nodes[1].clone();
        assert!(each.has_side_effect());
        let kind = each.item_action().map(|(kind, _)| kind);
        (kind, each.retry.max_attempts)
    };
    assert_eq!(
        attempts(json!({"kind": "http", "url": "https://a.test/"})),
        (Some(Kind::Http), 3)
    );
    assert_eq!(
        attempts(json!({"kind": "transform", "output": "{{ item }}"})),
        (Some(Kind::Transform), 1)
    );
}
