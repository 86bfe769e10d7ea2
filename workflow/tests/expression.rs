//! The expression language: what a config renders to, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use workflow::Kind;
use workflow::expression::{Context, EndedStep, Engine, ExpressionErrorKind, truthy};

fn context() -> Context {
    Context::new(&json!({
        "input": {"name": "Ada", "count": 3, "tags": ["a", "b"], "big": 18446744073709551615_u64},
        "trigger": {"kind": "manual"},
        "steps": {
            "fetch": {"output": {"status": 200, "body": {"title": "Hi", "none": null}}, "error": null, "status": "succeeded"},
            "node-1": {"output": [1, 2.5, true], "error": null, "status": "succeeded"},
        },
        "execution": {"id": "e", "workflow_id": "w", "started_at": "2026-01-01T00:00:00Z"},
        "tenant": {"id": "t", "name": "Acme"},
        "now": "2026-01-01T00:00:00Z",
        "secrets": {"key": "s3cret"},
    }))
}

fn render(config: Value) -> Result<Value, (ExpressionErrorKind, String, String)> {
    Engine::new()
        .render(&config, &context())
        .map_err(|error| (error.kind, error.pointer.clone(), error.to_string()))
}

#[test]
fn a_single_expression_keeps_its_type() {
    assert_eq!(
        render(json!({
            "number": "{{ steps.fetch.output.status }}",
            "object": "{{ steps.fetch.output.body }}",
            "list": "{{ steps['node-1'].output }}",
            "big": "{{ input.big }}",
            "sum": "{{ input.count + 0.5 }}",
            "spaces": "  {{ input.count }}\n",
            "trimmed": "{{- input.count -}}",
            "braces": "{{ {'a': '}}'} }}",
            "null": "{{ steps.fetch.output.body.none }}",
            "range": "{{ range(3) }}",
        }))
        .unwrap(),
        json!({
            "number": 200,
            "object": {"title": "Hi", "none": null},
            "list": [1, 2.5, true],
            "big": 18446744073709551615_u64,
            "sum": 3.5,
            "spaces": 3,
            "trimmed": 3,
            "braces": {"a": "}}"},
            "null": null,
            "range": [0, 1, 2],
        })
    );
}

#[test]
fn everything_else_is_text() {
    assert_eq!(
        render(json!([
            "Hello {{ input.name }}!",
            "{{ input.name }}{{ input.count }}",
            "{% for tag in input.tags %}<{{ tag }}>{% endfor %}",
            "{# nothing #}",
            "plain { text }",
            {"{{ input.name }}": "keys stay"},
            7,
            null,
            "<{{ '<b>' }}>",
            "{{ steps.fetch.output.body }} {{ true }} {{ none }} {{ 2.0 }} {{ range(2) }}",
        ]))
        .unwrap(),
        json!([
            "Hello Ada!", "Ada3", "<a><b>", "", "plain { text }",
            {"{{ input.name }}": "keys stay"}, 7, null, "<<b>>",
            "{\"none\":null,\"title\":\"Hi\"} true null 2.0 [0,1]",
        ])
    );
}

#[test]
fn undefined_is_an_error_that_names_its_path() {
    let (kind, pointer, text) =
        render(json!({"a": [{"b/c": "x {{ steps.fetch.output.nope }}"}]})).unwrap_err();
    assert_eq!(kind, ExpressionErrorKind::Undefined);
    assert_eq!(pointer, "/a/0/b~1c");
    assert!(
        text.contains("`steps.fetch.output.nope` is undefined"),
        "{text}"
    );

    for source in [
        "{{ steps.fetch.output.nope }}",
        "{{ steps.nobody.output.nope }}",
        "{{ unknown }}",
        "{{ [input.nope] }}",
        "{% if input.nope %}x{% endif %}",
    ] {
        let (kind, _, text) = render(json!(source)).unwrap_err();
        assert_eq!(kind, ExpressionErrorKind::Undefined, "{source}: {text}");
    }
    assert_eq!(
        render(json!("{{ steps.fetch.output.nope | default(1) }}")).unwrap(),
        json!(1)
    );
}

#[test]
fn work_and_size_are_bounded() {
    for (source, expected) in [
        (
            "{{ range(100000) | list | length * 0 }}{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}",
            ExpressionErrorKind::OutOfFuel,
        ),
        ("{{ 'x' * 1000000000 }}", ExpressionErrorKind::OutOfFuel),
        ("{{ [1] * 1000000000 }}", ExpressionErrorKind::Evaluation),
        ("{{ 10 ** 400.0 }}", ExpressionErrorKind::NotJson),
        ("{{ range }}", ExpressionErrorKind::NotJson),
        ("{{ (", ExpressionErrorKind::Syntax),
        ("{% include 'x' %}", ExpressionErrorKind::Syntax),
        ("{{ debug() }}", ExpressionErrorKind::Evaluation),
    ] {
        let (kind, _, text) = render(json!(source)).unwrap_err();
        assert_eq!(kind, expected, "{source}: {text}");
    }
    let large = "{{ 'x' * 1000000 }}";
    let (kind, ..) = render(json!(vec![large; 20])).unwrap_err();
    assert_eq!(kind, ExpressionErrorKind::TooLarge);
}

#[test]
fn deep_expressions_are_refused_before_they_are_parsed() {
    for source in [
        format!("{{{{ {}1 }}}}", "not ".repeat(900)),
        format!("{{{{ {}1 }}}}", "-".repeat(4000)),
        format!("{{{{ 1{} }}}}", "+1".repeat(1500)),
        format!("{{{{ input{} }}}}", ".a".repeat(1500)),
        format!("{{{{ 1{} }}}}", "|abs".repeat(900)),
        format!("{{{{ {}1{} }}}}", "(".repeat(900), ")".repeat(900)),
        format!("{{{{ {}1{} }}}}", "[".repeat(900), "]".repeat(900)),
        format!("x {{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(5000)),
        format!(
            "x {}{}",
            "{% if 1 %}".repeat(5000),
            "{% endif %}".repeat(5000)
        ),
    ] {
        let (kind, ..) = render(json!(source)).unwrap_err();
        assert_eq!(kind, ExpressionErrorKind::TooComplex, "{}", &source[..30]);
    }
}

#[test]
fn only_what_the_schema_marks_is_rendered_in_a_nodes_config() {
    let engine = Engine::new();
    let config = json!({
        "kind": "chat",
        "model": "openai/gpt",
        "prompt": "Say {{ input.name }}",
        "output_schema": {"description": "{{ not a template }}"},
    });
    let rendered = engine.render_config(Kind::Ai, &config, &context()).unwrap();
    assert_eq!(rendered["prompt"], "Say Ada");
    assert_eq!(rendered["output_schema"], config["output_schema"]);

    let config = json!({"condition": "input.count > 2"});
    let rendered = engine.render_config(Kind::If, &config, &context()).unwrap();
    assert_eq!(rendered, config);
    assert!(engine.holds("input.count > 2", &context()).unwrap());
    assert!(
        !engine
            .holds("input.tags | length == 3", &context())
            .unwrap()
    );
    let error = engine.holds("input.nope", &context()).unwrap_err();
    assert_eq!(error.kind, ExpressionErrorKind::Undefined);
}

#[test]
fn a_step_that_is_added_is_seen() {
    let engine = Engine::new();
    let mut context = Context::new(&json!({"input": 1}));
    assert!(engine.evaluate("steps.a.output", &context).is_err());
    let before = context.clone();
    context.set_step(
        "a",
        EndedStep {
            status: "succeeded",
            error: json!(null),
            output: Some(Arc::new(json!({"n": 5}))),
        },
    );
    context.set("now", Arc::new(json!("later")));
    assert_eq!(
        engine.evaluate("steps.a.output.n", &context).unwrap(),
        json!(5)
    );
    assert_eq!(engine.evaluate("now", &context).unwrap(), json!("later"));
    assert!(engine.evaluate("steps.a.output", &before).is_err());
    assert!(
        !format!("{context:?}").contains('5'),
        "values may be secrets"
    );
}

#[test]
fn a_value_is_made_once_and_only_when_it_is_asked_for() {
    let engine = Engine::new();
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let mut context = Context::default();
    context.set_made("input", move || {
        count.fetch_add(1, Ordering::Relaxed);
        json!({"n": 5})
    });
    context.alias("trigger", "input");
    assert!(engine.evaluate("1 + 1", &context).is_ok());
    assert_eq!(made.load(Ordering::Relaxed), 0);
    for source in ["input.n", "trigger.n"] {
        assert_eq!(engine.evaluate(source, &context.clone()).unwrap(), json!(5));
    }
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn an_engine_that_has_seen_very_many_texts_still_works() {
    let engine = Engine::new();
    let context = context();
    for number in 0..5_000 {
        let config = json!([
            format!("{{{{ {number} }}}}"),
            format!("n {{{{ {number} }}}}")
        ]);
        let rendered = engine.render(&config, &context).unwrap();
        assert_eq!(rendered, json!([number, format!("n {number}")]));
    }
}

#[test]
fn truth_is_that_of_the_language() {
    let engine = Engine::new();
    let context = Context::new(&Value::Null);
    for source in [
        "none", "false", "true", "0", "0.0", "1", "''", "'x'", "[]", "[0]", "{}", "{'a': 0}",
    ] {
        let value = engine.evaluate(source, &context).unwrap();
        let spoken = engine
            .evaluate(&format!("'yes' if {source} else 'no'"), &context)
            .unwrap();
        assert_eq!(truthy(&value), spoken == "yes", "{source}");
    }
}

#[test]
fn a_default_and_a_test_cover_the_whole_path() {
    let rendered = render(json!([
        "{{ steps.fetch.output.a.b.c | default('none') }}",
        "x{{ steps.fetch.output.body.none.x.y | default('none') }}",
        "{{ steps.skipped.output.x.y | default('none') }}",
        "{{ steps.skipped.output is defined }}",
        "{{ steps.skipped is defined }}",
        "{{ steps.fetch is defined }}",
        "{{ steps['node-1'].output[7].x is undefined }}",
        "{{ steps['node-1'].output[1] | default(9) }}",
        "{{ nothing.at.all | d(1) }}",
        "{{ steps.skipped.status }} {{ steps.skipped.error }}",
        "{{ 'yes' if steps.skipped.status == 'skipped' else 'no' }}",
        "{{ steps | list | length }}",
    ]));
    assert_eq!(
        rendered.unwrap(),
        json!([
            "none",
            "xnone",
            "none",
            false,
            false,
            true,
            true,
            2.5,
            1,
            "skipped null",
            "yes",
            2
        ])
    );
    let (kind, ..) = render(json!("{{ steps.skipped.output }}")).unwrap_err();
    assert_eq!(kind, ExpressionErrorKind::Undefined);
}
