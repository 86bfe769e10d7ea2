//! Every rule of the graph and of the configs, one test for each group.

mod graphs;

use graphs::{approval, codes, edge, for_each, if_node, node, on_error, switch, trigger};
use serde_json::{Value, json};
use workflow::{Kind, is_valid, problems};

#[test]
fn a_small_workflow_has_no_problems() {
    let nodes = json!([trigger("start"), node("a")]);
    let connections = json!([edge("start", "a", None)]);
    assert_eq!(problems(&nodes, &connections), []);
    assert!(is_valid(&nodes, &connections));
}

#[test]
fn what_has_not_the_shape_of_a_workflow_is_said_once() {
    for value in [json!(null), json!(1), json!("x"), json!({}), json!(true)] {
        assert_eq!(
            codes(&value, &value),
            [
                "bad_shape /nodes",
                "missing_trigger /nodes",
                "bad_shape /connections"
            ]
        );
    }
    assert_eq!(
        codes(
            &json!([trigger("s"), 7, {}, {"id": 3, "type": 4, "config": 5}]),
            &json!([1, {}])
        ),
        [
            "bad_shape /nodes/1",
            "missing_id /nodes/2/id",
            "missing_field /nodes/2/type",
            "bad_shape /nodes/3/id",
            "bad_shape /nodes/3/type",
            "bad_shape /connections/0",
            "missing_field /connections/1/source",
            "missing_field /connections/1/target",
        ]
    );
}

#[test]
fn names_are_guessed() {
    let mut unknown = node("b");
    unknown["type"] = json!("acton");
    let mut kind = node("c");
    kind["config"]["kind"] = json!("tranform");
    let mut moved = node("d");
    moved["config"] = json!({"kind": "if"});
    let nodes = json!([trigger("start"), unknown, kind, moved]);
    let found = problems(&nodes, &json!([edge("strat", "b", None)]));
    let message = |code: &str, pointer: &str| {
        let problem = found
            .iter()
            .find(|problem| problem.code.as_str() == code && problem.pointer == pointer);
        problem
            .unwrap_or_else(|| panic!("{code} {pointer} in {found:?}"))
            .message
            .clone()
    };
    assert!(message("unknown_type", "/nodes/1/type").contains("`action`"));
    assert!(message("unknown_kind", "/nodes/2/config/kind").contains("`transform`"));
    assert!(message("unknown_kind", "/nodes/3/config/kind").contains("type condition"));
    assert!(message("unknown_node", "/connections/0/source").contains("`start`"));
}

#[test]
fn a_cycle_is_named_by_its_path() {
    let nodes = json!([trigger("start"), node("a"), node("b"), node("c"), node("d")]);
    let connections = json!([
        edge("start", "a", None),
        edge("a", "b", None),
        edge("b", "c", None),
        edge("c", "a", None),
        edge("c", "d", None),
    ]);
    let found = problems(&nodes, &connections);
    assert_eq!(codes(&nodes, &connections), ["cycle /nodes/1"]);
    assert!(
        found[0].message.contains("a -> b -> c -> a"),
        "{}",
        found[0].message
    );
}

#[test]
fn edges_that_make_no_sense() {
    let nodes = json!([
        trigger("start"),
        node("a"),
        trigger("again"),
        node("lost"),
        node("a")
    ]);
    let connections = json!([
        edge("start", "a", None),
        edge("start", "a", None),
        edge("a", "a", None),
        edge("a", "start", None),
        edge("nobody", "a", None),
    ]);
    assert_eq!(
        codes(&nodes, &connections),
        [
            "second_trigger /nodes/2",
            "unreachable_node /nodes/3",
            "duplicate_id /nodes/4/id",
            "duplicate_edge /connections/1",
            "self_loop /connections/2",
            "edge_into_trigger /connections/3/target",
            "unknown_node /connections/4/source",
        ]
    );
}

#[test]
fn branches_need_their_edges() {
    let nodes = json!([
        trigger("start"),
        if_node("none"),
        if_node("one"),
        switch("many", &["x", "y", "x", "error"]),
        on_error("risky", "branch"),
        on_error("plain", "fail"),
        node("end"),
    ]);
    let connections = json!([
        edge("start", "none", None),
        edge("start", "one", None),
        edge("start", "many", None),
        edge("start", "risky", None),
        edge("start", "plain", None),
        edge("one", "end", Some("true")),
        edge("one", "end", Some("ture")),
        edge("one", "end", None),
        edge("many", "end", Some("x")),
        edge("plain", "end", Some("error")),
        edge("plain", "end", Some("other")),
        edge("risky", "end", None),
    ]);
    assert_eq!(
        codes(&nodes, &connections),
        [
            "missing_branch /nodes/1",
            "unused_branch /nodes/2",
            "missing_branch /nodes/3",
            "unused_branch /nodes/3",
            "duplicate_handle /nodes/3/config/cases/2/handle",
            "duplicate_handle /nodes/3/config/cases/3/handle",
            "missing_branch /nodes/4",
            "unknown_handle /connections/6/sourceHandle",
            "missing_handle /connections/7/sourceHandle",
            "unknown_handle /connections/9/sourceHandle",
            "unexpected_handle /connections/10/sourceHandle",
        ]
    );
}

#[test]
fn every_violation_of_a_schema_has_its_place() {
    let bad = json!({
        "id": "a", "type": "action", "name": 5, "timeout": 0, "on_error": "explode",
        "retry": {"max_attempts": 21, "factr": 2},
        "config": {
            "kind": "http", "methd": "GET", "method": "FETCH", "url": "ftp://x",
            "headers": {"a": 1}, "auth": {"kind": "bearer", "tokn": "x"},
        },
    });
    let nodes = json!([trigger("start"), bad]);
    let connections = json!([edge("start", "a", None)]);
    assert_eq!(
        codes(&nodes, &connections),
        [
            "missing_field /nodes/1/config/auth/token",
            "unknown_field /nodes/1/config/auth/tokn",
            "wrong_type /nodes/1/config/headers/a",
            "unknown_field /nodes/1/config/methd",
            "invalid_value /nodes/1/config/method",
            "invalid_value /nodes/1/config/url",
            "wrong_type /nodes/1/name",
            "invalid_value /nodes/1/on_error",
            "unknown_field /nodes/1/retry/factr",
            "out_of_range /nodes/1/retry/max_attempts",
            "out_of_range /nodes/1/timeout",
        ]
    );
}

#[test]
fn an_approval_may_branch_and_need_not() {
    let nodes = json!([
        trigger("start"),
        approval("plain"),
        approval("half"),
        approval("mixed"),
        approval("last"),
        approval("odd"),
        node("end"),
    ]);
    let connections = json!([
        edge("start", "plain", None),
        edge("start", "half", None),
        edge("start", "mixed", None),
        edge("start", "last", None),
        edge("start", "odd", None),
        edge("plain", "end", None),
        edge("half", "end", Some("approved")),
        edge("mixed", "end", Some("rejected")),
        edge("mixed", "end", None),
        edge("odd", "end", Some("aproved")),
        edge("odd", "end", Some("error")),
    ]);
    assert_eq!(
        codes(&nodes, &connections),
        [
            "unused_branch /nodes/2",
            "unknown_handle /connections/9/sourceHandle",
            "unknown_handle /connections/10/sourceHandle",
        ]
    );
    let found = problems(&nodes, &connections);
    assert!(found[1].message.contains("`approved`"), "{found:?}");
}

#[test]
fn a_for_each_is_checked_down_to_its_action() {
    let found = |config: Value| {
        let each = json!({"id": "each", "type": "action", "config": config});
        codes(
            &json!([trigger("start"), each]),
            &json!([edge("start", "each", None)]),
        )
    };
    let with = |action: Value| found(for_each("each", action)["config"].take());
    for action in [
        json!({"kind": "http", "url": "https://a.test/{{ item.id }}?n={{ index }}", "headers": {"a": "{{ secrets.a }}"}}),
        json!({"kind": "transform", "output": {"n": "{{ item + index }}"}}),
        json!({"kind": "email", "to": "{{ item }}", "subject": "{{ index }}", "text": "hello"}),
        json!({"kind": "chat", "model": "openai/gpt-4o-mini", "prompt": "{{ item }}"}),
        json!({"kind": "call_workflow", "workflow_id": "00000000-0000-0000-0000-000000000000", "input": "{{ item }}"}),
    ] {
        assert_eq!(with(action), [""; 0]);
    }
    assert_eq!(
        with(json!({"kind": "http", "method": "GOT", "body": "{{ items }}"})),
        [
            "unknown_variable /nodes/1/config/do/body",
            "invalid_value /nodes/1/config/do/method",
            "missing_field /nodes/1/config/do/url",
        ]
    );
    assert_eq!(
        with(json!({"kind": "approval"})),
        ["invalid_value /nodes/1/config/do/kind"]
    );
    assert_eq!(
        with(json!({"kind": "for_each"})),
        ["invalid_value /nodes/1/config/do/kind"]
    );
    assert_eq!(with(json!(1)), ["wrong_type /nodes/1/config/do"]);
    assert_eq!(with(json!({})), ["missing_field /nodes/1/config/do/kind"]);
    let action = json!({"kind": "transform", "output": 1});
    assert_eq!(
        found(
            json!({"kind": "for_each", "items": ["{{ item }}", "{{ input.a }}"], "concurrency": 101, "do": action})
        ),
        [
            "out_of_range /nodes/1/config/concurrency",
            "unknown_variable /nodes/1/config/items/0",
        ]
    );
    assert_eq!(
        found(
            json!({"kind": "for_each", "items": vec![0; 10_001], "on_item_error": "stop", "do": action})
        ),
        [
            "out_of_range /nodes/1/config/items",
            "invalid_value /nodes/1/config/on_item_error",
        ]
    );
    assert_eq!(
        found(json!({"kind": "for_each", "items": "a list", "do": action})),
        ["invalid_value /nodes/1/config/items"]
    );
    let vague = problems(
        &json!([trigger("start"), {"id": "each", "type": "action", "config": {"kind": "for_each", "items": "a list", "do": action}}]),
        &json!([edge("start", "each", None)]),
    );
    assert_eq!(
        vague[0].message,
        "must be a list or a template that gives one"
    );
    // Nobody else knows an item, whatever its fields are called.
    let other = json!({"id": "t", "type": "action", "config": {"kind": "transform", "output": {"do": "{{ item }}"}}});
    assert_eq!(
        codes(
            &json!([trigger("start"), other]),
            &json!([edge("start", "t", None)])
        ),
        ["unknown_variable /nodes/1/config/output/do"]
    );
}

/// One that is not is refused with `kind_not_runnable` when its workflow is to become active.
#[test]
fn every_kind_can_be_run() {
    for kind in Kind::ALL {
        assert!(kind.is_runnable(), "{kind}");
    }
}

#[test]
fn sizes_are_bounded() {
    let many: Vec<Value> = (0..1001).map(|n| node(&n.to_string())).collect();
    assert_eq!(
        codes(&json!(many), &json!(vec![1; 5001])),
        [
            "missing_trigger /nodes",
            "too_large /nodes",
            "too_large /connections"
        ]
    );
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    let found = codes(
        &json!([trigger("s"), graphs::transform("a", deep)]),
        &json!([]),
    );
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("too_large /nodes/1/config/output/0/0/0"),
        "{found:?}"
    );

    let long = json!([
        trigger("s"),
        graphs::transform("a", json!("x".repeat(70_000)))
    ]);
    assert_eq!(
        codes(&long, &json!([])),
        ["too_large /nodes/1/config/output"]
    );
    let texts: Vec<Value> = (0..50)
        .map(|n| graphs::transform(&n.to_string(), json!("x".repeat(60_000))))
        .collect();
    assert_eq!(codes(&json!(texts), &json!([])), ["too_large /nodes"]);

    let found = problems(&json!(vec![1; 900]), &json!([]));
    assert_eq!(found.len(), 501);
    assert_eq!(found[500].code.as_str(), "too_many_problems");
}

#[test]
fn patterns_of_all_schemas_together_are_bounded() {
    let asking = |number: usize, patterns: usize| {
        let patterns: Vec<Value> = (0..patterns).map(|_| json!({"pattern": "^a$"})).collect();
        let schema = json!({"allOf": patterns});
        json!({"id": number.to_string(), "type": "ai_processing", "config": {"model": "a/b", "prompt": "x", "output_schema": schema}})
    };
    let workflow = |nodes: Vec<Value>| {
        let connections: Value = (0..nodes.len())
            .map(|number| edge("s", &number.to_string(), None))
            .collect();
        let nodes: Value = std::iter::once(trigger("s")).chain(nodes).collect();
        codes(&nodes, &connections)
    };
    let within: Vec<Value> = (0..4).map(|number| asking(number, 64)).collect();
    assert_eq!(workflow(within.clone()), [""; 0]);
    let beyond = within.into_iter().chain([asking(4, 1)]).collect();
    assert_eq!(
        workflow(beyond),
        ["invalid_schema /nodes/5/config/output_schema"]
    );
}

#[test]
fn a_version_of_an_agent_is_a_number_beside_its_agent() {
    const AGENT: &str = "01900000-0000-7000-8000-00000000a0a1";
    let asking = |config: Value| {
        let mut config = config;
        config["prompt"] = json!("x");
        let alone = json!([trigger("s"), {"id": "a", "type": "ai_processing", "config": config}]);
        let alone = codes(&alone, &json!([edge("s", "a", None)]));
        config["kind"] = json!("chat");
        let each = codes(
            &json!([trigger("s"), for_each("a", config)]),
            &json!([edge("s", "a", None)]),
        );
        let each: Vec<_> = each.iter().map(|code| code.replace("/do", "")).collect();
        assert_eq!(alone, each, "in a list it is the same");
        alone
    };
    for version in [1, 2, i32::MAX] {
        let config = json!({"agent_id": AGENT, "agent_version": version});
        assert_eq!(asking(config), [""; 0]);
    }
    let wrong = ["invalid_agent_version /nodes/1/config/agent_version"];
    let no_version = json!([0, -1, 1.5, 2_147_483_648_u64, "1", null, [1]]);
    for version in no_version.as_array().unwrap() {
        let config = json!({"agent_id": AGENT, "agent_version": version});
        assert_eq!(asking(config), wrong, "{version}");
    }
    assert_eq!(
        asking(json!({"model": "a/b", "agent_version": 1})),
        wrong,
        "nobody's version"
    );
}

#[test]
fn names_that_look_like_numbers_have_one_order() {
    // As text `10` < `1a` < `2`, as numbers 2 < 10: both at once would be no order at all.
    let mut step = node("a");
    for number in 0..300 {
        let field = format!("{}{}", number * 7 % 41, ["", "a", "b"][number % 3]);
        step["config"][field] = json!(1);
    }
    let nodes = json!([trigger("start"), step]);
    let found = codes(&nodes, &json!([edge("start", "a", None)]));
    let fields: Vec<&str> = found
        .iter()
        .filter_map(|problem| problem.strip_prefix("unknown_field /nodes/1/config/"))
        .collect();
    assert_eq!(fields.len(), 123);
    let mut sorted = fields.clone();
    sorted.sort_by_key(|field| {
        (
            field.parse::<usize>().is_err(),
            field.parse::<usize>().ok(),
            *field,
        )
    });
    assert_eq!(fields, sorted);
}
