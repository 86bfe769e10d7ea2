//! Templates that try to use up time, memory or stack. One that got through would run for minutes
//! at least, or end the process; each has to fail instead.

use serde_json::{Value, json};
use workflow::expression::{Context, Engine, ExpressionErrorKind};

fn fails(template: &str) -> ExpressionErrorKind {
    let rows: Vec<Value> = (0..1_000)
        .map(|n| json!({"a": n % 7, "b": "the text of a row that is not so short"}))
        .collect();
    let context = Context::new(&json!({"input": rows}));
    let error = Engine::new()
        .render(&json!(template), &context)
        .expect_err(&template[template.len().saturating_sub(100)..]);
    error.kind
}

#[test]
fn values_that_hold_the_same_value_many_times() {
    let by_repetition = "{% set a = [1] * 300 %}{% set b = [a] * 300 %}{% set c = [b] * 300 %}{% set d = [c] * 300 %}";
    let by_literals = format!("{{% set d = [1] %}}{}", "{% set d = [d, d] %}".repeat(100));
    let by_addition = format!("{{% set d = [1] %}}{}", "{% set d = d + d %}".repeat(100));
    let by_maps = format!(
        "{{% set d = 1 %}}{}",
        "{% set d = {'a': d, 'b': d} %}".repeat(100)
    );
    let by_batches = "{% set d = [1] | batch(900, [1] | batch(900, [1] | batch(900, 1) | list) | list) | list %}";
    for build in [
        by_repetition,
        &by_literals,
        &by_addition,
        &by_maps,
        by_batches,
    ] {
        for use_it in [
            "d | length",
            "d == d",
            "d | string",
            "d | tojson",
            "d",
            "[d] | sort",
            "d ~ ''",
        ] {
            assert_eq!(
                fails(&format!("{build}{{{{ {use_it} }}}}")),
                ExpressionErrorKind::OutOfFuel,
                "{use_it}"
            );
        }
    }
}

#[test]
fn values_that_nest_very_deeply() {
    let brackets = format!("{}d{}", "[".repeat(50), "]".repeat(50));
    let nested = format!(
        "{{% set d = 1 %}}{}",
        format!("{{% set d = {brackets} %}}").repeat(100)
    );
    assert_eq!(fails(&nested), ExpressionErrorKind::Evaluation);
    let slices = format!(
        "{{% set d = [1] %}}{}",
        format!("{{% set d = d{} %}}", "[0:]".repeat(50)).repeat(150)
    );
    let rendered =
        Engine::new().render(&json!(format!("{slices}{{{{ d }}}}")), &Context::default());
    assert_eq!(rendered.unwrap(), json!("[1]"));
}

#[test]
fn much_work_in_a_loop() {
    for work in [
        "{% if input == input | list %}{% endif %}",
        "{{ input | max }}",
        "{{ input | selectattr('a', 'eq', 1) | list | length }}",
        "{{ input | map(attribute='b') | join | length }}",
        "{{ input | sort(attribute='a') | length }}",
        "{{ input[1:] | length }}",
        "{{ input | tojson | length }}",
        "{{ input in [input | list] }}",
    ] {
        let template = format!("{{% for i in range(50000) %}}{work}{{% endfor %}}");
        assert_eq!(fails(&template), ExpressionErrorKind::OutOfFuel, "{work}");
    }
    let loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
    assert_eq!(fails(loops), ExpressionErrorKind::OutOfFuel);
}

#[test]
fn what_cannot_be_bounded_is_left_out() {
    for template in [
        "{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}",
        "{{ dict(**input) }}",
        "{{ range(*input) }}",
        "{{ input.items() }}",
    ] {
        assert_eq!(fails(template), ExpressionErrorKind::Syntax, "{template}");
    }
    let lists = "{{ range(3000) | batch(1) | list | sum(start=[]) }}";
    assert_eq!(fails(lists), ExpressionErrorKind::Evaluation);
}

#[test]
fn many_costly_strings_in_one_config() {
    let costly = "{% for i in range(30000) %}{% endfor %}x";
    let context = Context::default();
    let engine = Engine::new();
    assert!(engine.render(&json!([costly]), &context).is_ok());
    let error = engine
        .render(&json!(vec![costly; 100]), &context)
        .unwrap_err();
    assert_eq!(error.kind, ExpressionErrorKind::OutOfFuel);
}
