//! What expressions may refer to.

mod graphs;

use graphs::{codes, condition, edge, if_node, on_error, switch, transform, trigger};
use serde_json::{Value, json};
use workflow::{Problem, problems};

/// The problems of a chain start -> fetch -> use, where `use` is a transform of `output`.
fn in_chain(output: &str) -> Vec<Problem> {
    let fetch = json!({"id": "fetch", "type": "action", "config": {"kind": "http", "url": "https://example.com"}});
    let nodes = json!([trigger("start"), fetch, transform("use", json!(output))]);
    problems(
        &nodes,
        &json!([edge("start", "fetch", None), edge("fetch", "use", None)]),
    )
}

fn code(output: &str) -> String {
    let found = in_chain(output);
    let codes: Vec<_> = found.iter().map(|problem| problem.code.as_str()).collect();
    codes.join(" ")
}

fn message(output: &str) -> String {
    in_chain(output).remove(0).message
}

#[test]
fn what_is_in_scope_is_no_problem() {
    for output in [
        "{{ input }}",
        "{{ input.a.b[0]['c'] }}",
        "{{ trigger.body.x }}",
        "{{ steps.fetch.output.body.title | upper }}",
        "{{ steps['fetch']['output'].status }}",
        "{{ steps.start.output }}",
        "{{ execution.id }} {{ execution.workflow_id }} {{ execution.started_at }}",
        "{{ tenant.name }} {{ tenant.id }} {{ now }}",
        "{% for x in input.list %}{{ loop.index }}{{ x.y }}{% endfor %}",
        "{% set a = 1 %}{% with b = a, c = 2 %}{{ a + b + c }}{% endwith %}",
        "{% for a, b in input | items %}{{ a ~ b }}{% else %}{{ now }}{% endfor %}",
        "{{ range(3) | map('string') | join(',') }} {{ dict(a=1).a }}",
        "{% for x in [1] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "{% raw %}{{ anything goes }}{% endraw %}{# {{ nope }} #}",
        "no { braces } at all",
    ] {
        assert_eq!(code(output), "", "{output}: {:?}", in_chain(output));
    }
}

#[test]
fn names_that_do_not_exist() {
    for (output, expected, hint) in [
        ("{{ inptu.a }}", "unknown_variable", "`input`"),
        (
            "{{ fetch.output }}",
            "unknown_variable",
            "steps.fetch.output",
        ),
        ("{{ whatever }}", "unknown_variable", "there are input"),
        ("{{ loop.index }}", "unknown_variable", "there are input"),
        (
            "{% for x in [1] %}{% endfor %}{{ x }}",
            "unknown_variable",
            "`x`",
        ),
        ("{{ steps.fecth.output }}", "unknown_step", "`fetch`"),
        ("{{ steps.nobody.output }}", "unknown_step", "`nobody`"),
        ("{{ steps.fetch.outptu }}", "unknown_property", "`output`"),
        ("{{ steps.fetch.title }}", "unknown_property", "`output`"),
        ("{{ steps.fetch.output.bdy }}", "unknown_property", "`body`"),
        (
            "{{ steps.fetch.output.title }}",
            "unknown_property",
            "status, headers, body",
        ),
        (
            "{{ execution.finished }}",
            "unknown_property",
            "id, workflow_id",
        ),
        ("{{ tenant.nmae }}", "unknown_property", "`name`"),
        ("{{ now.year }}", "unknown_property", "text"),
        ("{{ input | uper }}", "unknown_filter", "`upper`"),
        ("{{ input is defnied }}", "unknown_test", "`defined`"),
        ("{{ rnge(3) }}", "unknown_function", "`range`"),
        ("{{ length(input) }}", "unknown_function", "| length"),
        ("{{ input.items() }}", "unknown_function", "| items"),
        ("{{ namespace(a=1) }}", "unknown_function", "namespace"),
    ] {
        assert_eq!(code(output), expected, "{output}");
        assert!(
            message(output).contains(hint),
            "{output}: {}",
            message(output)
        );
    }
}

#[test]
fn what_does_not_parse_or_is_left_out() {
    for (output, expected) in [
        ("{{ input", "invalid_expression"),
        ("{{ }}", "invalid_expression"),
        ("{{ a b }}", "invalid_expression"),
        ("{% if %}{% endif %}", "invalid_expression"),
        ("{% include 'x' %}", "invalid_expression"),
        ("{% macro a() %}{% endmacro %}", "invalid_expression"),
        (
            "{% for x in [1] recursive %}{% endfor %}",
            "invalid_expression",
        ),
        ("{{ range(*[1]) }}", "invalid_expression"),
        ("{{ 'open }}", "invalid_expression"),
    ] {
        assert_eq!(code(output), expected, "{output}");
    }
    let long = format!("{{{{ {} }}}}", "1 ".repeat(3_000));
    assert_eq!(code(&long), "too_large");
    let deep = format!("{{{{ {}1 }}}}", "-".repeat(300));
    assert_eq!(code(&deep), "too_large");
}

#[test]
fn a_condition_has_no_braces() {
    for (expression, expected) in [
        ("input.a == 1", vec![]),
        (
            "{{ input.a }}",
            vec!["braces_in_expression /nodes/1/config/condition"],
        ),
        (
            "input.a ==",
            vec!["invalid_expression /nodes/1/config/condition"],
        ),
        (
            "",
            vec![
                "out_of_range /nodes/1/config/condition",
                "invalid_expression /nodes/1/config/condition",
            ],
        ),
        ("'{{' in input.text", vec![]),
    ] {
        let nodes = json!([
            trigger("start"),
            condition("check", expression),
            graphs::node("end")
        ]);
        let connections = json!([
            edge("start", "check", None),
            edge("check", "end", Some("true")),
            edge("check", "end", Some("false")),
        ]);
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(codes(&nodes, &connections), expected, "{expression}");
    }
}

#[test]
fn an_id_that_is_no_identifier_is_explained() {
    let nodes = json!([
        trigger("start"),
        graphs::node("node-1"),
        transform("use", json!("{{ steps.node-1.output }}"))
    ]);
    let connections = json!([edge("start", "node-1", None), edge("node-1", "use", None)]);
    let found = problems(&nodes, &connections);
    assert!(found[0].message.contains("steps['node-1']"), "{found:?}");
}

/// start -> check -(true)-> yes -> join, check -(false)-> no -> join; start -> aside -> join;
/// the join is a transform of `output`.
fn at_join(output: &str) -> Vec<String> {
    let nodes = json!([
        trigger("start"),
        if_node("check"),
        graphs::node("yes"),
        graphs::node("no"),
        graphs::node("aside"),
        transform("join", json!(output)),
        graphs::node("after"),
        graphs::node("apart"),
    ]);
    let connections = json!([
        edge("start", "check", None),
        edge("check", "yes", Some("true")),
        edge("check", "no", Some("false")),
        edge("yes", "join", None),
        edge("no", "join", None),
        edge("start", "aside", None),
        edge("aside", "join", None),
        edge("join", "after", None),
        edge("start", "apart", None),
    ]);
    problems(&nodes, &connections)
        .iter()
        .map(|problem| problem.code.as_str().to_owned())
        .collect()
}

#[test]
fn a_step_must_surely_have_run() {
    for output in [
        "{{ steps.check.output.handle }}",
        "{{ steps.start.output }}",
        // Not a dominator, but the fork takes all its edges and the join waits for them.
        "{{ steps.aside.output.x }}",
        "{{ steps.yes.output | default('none') }}",
        "{{ steps.yes.output.a.b | d(1) }}",
        "{% if steps.yes.output is defined %}{{ steps.yes.output.a }}{% endif %}",
        "{{ steps.yes.output.a if steps.yes is not undefined else steps.no.output | default(1) }}",
        "{{ steps.yes.status }} {{ steps.no.error }}",
        "{{ steps.yes.output if steps.yes.status == 'succeeded' else 0 }}",
    ] {
        assert_eq!(at_join(output), Vec::<String>::new(), "{output}");
    }
    for (output, expected) in [
        ("{{ steps.yes.output }}", "step_not_sure"),
        ("{{ steps.no.output.a }}", "step_not_sure"),
        ("{{ steps.yes }}", "step_not_sure"),
        (
            "{{ steps.no.output if steps.yes is defined else 1 }}",
            "step_not_sure",
        ),
        ("{{ steps.after.output }}", "step_not_before"),
        ("{{ steps.after.output | default(1) }}", "step_not_before"),
        ("{{ steps.join.output }}", "step_not_before"),
        ("{{ steps.apart.output }}", "step_not_before"),
        ("{{ steps[input.name].output }}", "dynamic_step"),
        ("{{ steps | length }}", "dynamic_step"),
    ] {
        assert_eq!(at_join(output), [expected], "{output}");
    }
}

#[test]
fn a_condition_with_one_branch_makes_what_follows_unsure_only_elsewhere() {
    let nodes = |use_after: &str| {
        json!([
            trigger("start"),
            if_node("check"),
            graphs::node("yes"),
            transform("inner", json!("{{ steps.yes.output }}")),
            transform("use", json!(use_after)),
        ])
    };
    let connections = json!([
        edge("start", "check", None),
        edge("check", "yes", Some("true")),
        edge("yes", "inner", None),
        edge("inner", "use", None),
        edge("check", "use", Some("false")),
    ]);
    assert_eq!(
        codes(&nodes("{{ steps.check.output.handle }}"), &connections),
        [""; 0]
    );
    assert_eq!(
        codes(&nodes("{{ steps.inner.output }}"), &connections),
        ["step_not_sure /nodes/4/config/output"]
    );
}

#[test]
fn a_switch_that_always_comes_by_makes_sure() {
    let nodes = |handles: &[&str]| {
        json!([
            trigger("start"),
            switch("pick", handles),
            graphs::node("both"),
            transform("use", json!("{{ steps.both.output }}")),
        ])
    };
    let connections = json!([
        edge("start", "pick", None),
        edge("pick", "both", Some("a")),
        edge("pick", "both", Some("default")),
        edge("both", "use", None),
        edge("pick", "use", Some("a")),
    ]);
    assert_eq!(codes(&nodes(&["a"]), &connections), [""; 0]);
    // With a second case the step `use` is still only reached by the first.
    assert_eq!(
        codes(&nodes(&["a", "b"]), &connections),
        ["unused_branch /nodes/1"]
    );
}

#[test]
fn a_failed_step_has_no_output_on_its_error_branch() {
    let nodes = |rescue: &str| {
        json!([
            trigger("start"),
            on_error("risky", "branch"),
            transform("fine", json!("{{ steps.risky.output }}")),
            transform("rescue", json!(rescue)),
            transform("end", json!(1)),
        ])
    };
    let connections = json!([
        edge("start", "risky", None),
        edge("risky", "fine", None),
        edge("risky", "rescue", Some("error")),
        edge("fine", "end", None),
        edge("rescue", "end", None),
    ]);
    assert_eq!(
        codes(&nodes("{{ steps.risky.error.message }}"), &connections),
        [""; 0]
    );
    assert_eq!(
        codes(&nodes("{{ steps.risky is defined }}"), &connections),
        [""; 0]
    );
    assert_eq!(
        codes(&nodes("{{ steps.risky.output }}"), &connections),
        ["step_not_sure /nodes/3/config/output"]
    );
}

#[test]
fn a_step_that_continues_on_error_is_sure_but_may_be_null() {
    let http = json!({"id": "fetch", "type": "action", "on_error": "continue", "config": {"kind": "http", "url": "https://example.com"}});
    let nodes = json!([
        trigger("start"),
        http,
        transform("use", json!("{{ steps.fetch.output }}"))
    ]);
    let connections = json!([edge("start", "fetch", None), edge("fetch", "use", None)]);
    assert_eq!(codes(&nodes, &connections), [""; 0]);
}

#[test]
fn secrets_stay_where_they_are_not_recorded() {
    let http = |config: Value| {
        let nodes = json!([trigger("start"), {"id": "call", "type": "action", "config": config}]);
        codes(&nodes, &json!([edge("start", "call", None)]))
    };
    assert_eq!(
        http(json!({
            "kind": "http", "url": "https://x.test/{{ secrets.path }}",
            "headers": {"a": "{{ secrets.key }}"}, "query": {"b": "{{ secrets['key'] }}"},
            "auth": {"kind": "bearer", "token": "{{ secrets.token }}"}, "body": {"a": ["{{ secrets.key }}"]},
        })),
        [""; 0]
    );
    // What these hold is recorded, or mailed.
    assert_eq!(
        http(
            json!({"kind": "email", "to": "a@x.test", "subject": "x", "text": "{{ secrets.key }}"})
        ),
        ["secret_not_allowed /nodes/1/config/text"]
    );
    assert_eq!(
        http(json!({"kind": "transform", "output": {"a": ["{{ secrets.key }}"]}})),
        ["secret_not_allowed /nodes/1/config/output/a/0"]
    );
    assert_eq!(
        http(json!({"kind": "http", "url": "https://x.test", "body": "{{ secrets }}"})),
        ["secret_not_allowed /nodes/1/config/body"]
    );
    assert_eq!(
        http(
            json!({"kind": "http", "url": "https://x.test", "headers": {"a": "{{ secrets[input.name] }}"}})
        ),
        ["secret_not_allowed /nodes/1/config/headers/a"]
    );
    assert_eq!(
        http(json!({"kind": "http", "url": "https://x.test/{{ secrets }}"})),
        ["secret_not_allowed /nodes/1/config/url"]
    );
    assert_eq!(
        http(
            json!({"kind": "http", "url": "https://x.test", "auth": {"kind": "header", "name": "{{ input.a }}", "value": "x"}})
        ),
        ["template_not_rendered /nodes/1/config/auth/name"]
    );
    // A secret in a drawing could be read by everybody who sees the drawing.
    let hook = |config: Value| {
        let nodes = json!([{"id": "s", "type": "trigger", "config": config}]);
        codes(&nodes, &json!([]))
    };
    assert_eq!(hook(json!({"kind": "webhook", "signed": true})), [""; 0]);
    assert_eq!(
        hook(json!({"kind": "webhook", "hmac_secret": "{{ secrets.hook }}"})),
        ["unknown_field /nodes/0/config/hmac_secret"]
    );
}

#[test]
fn schedules_schemas_and_times_are_read() {
    let first = |config: Value| {
        let nodes = json!([{"id": "s", "type": "trigger", "config": config}]);
        let mut found = codes(&nodes, &json!([]));
        found.retain(|code| !code.starts_with("kind_not_runnable"));
        found
    };
    assert_eq!(
        first(
            json!({"kind": "schedule", "cron": "*/5 8-18 * * mon-fri", "timezone": "Europe/Berlin"})
        ),
        [""; 0]
    );
    assert_eq!(
        first(json!({"kind": "schedule", "cron": "61 * * * *", "timezone": "Europe/Brelin"})),
        [
            "invalid_cron /nodes/0/config/cron",
            "unknown_timezone /nodes/0/config/timezone"
        ]
    );
    assert_eq!(
        first(json!({"kind": "manual", "input_schema": {"type": "objekt"}})),
        ["invalid_schema /nodes/0/config/input_schema"]
    );
    assert_eq!(
        first(
            json!({"kind": "manual", "input_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}})
        ),
        [""; 0]
    );

    let delay = |config: Value| {
        let nodes = json!([trigger("s"), {"id": "d", "type": "action", "config": config}]);
        codes(&nodes, &json!([edge("s", "d", None)]))
    };
    assert_eq!(
        delay(json!({"kind": "delay", "until": "2027-01-01T00:00:00Z"})),
        [""; 0]
    );
    assert_eq!(
        delay(json!({"kind": "delay", "until": "{{ input.at }}"})),
        [""; 0]
    );
    assert_eq!(
        delay(json!({"kind": "delay", "seconds": "{{ input.wait }}"})),
        [""; 0]
    );
    assert_eq!(
        delay(json!({"kind": "delay", "until": "tomorrow"})),
        ["invalid_value /nodes/1/config/until"]
    );
    assert_eq!(
        delay(json!({"kind": "delay", "seconds": "soon"})),
        [
            "invalid_value /nodes/1/config/seconds",
            "out_of_range /nodes/1/config/seconds"
        ]
    );
    assert_eq!(
        delay(json!({"kind": "delay"})),
        ["missing_field /nodes/1/config"]
    );
    assert_eq!(
        delay(json!({"kind": "delay", "seconds": 1, "until": "2027-01-01T00:00:00Z"})),
        ["invalid_value /nodes/1/config"]
    );
}
