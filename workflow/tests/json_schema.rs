//! Schemas that authors write.

use serde_json::{Map, Value, json};
use workflow::json_schema::JsonSchema;

fn refusal(schema: Value) -> String {
    JsonSchema::compile(&schema)
        .map(|_| "none".to_owned())
        .unwrap_or_else(|error| error)
}

#[test]
fn a_schema_is_compiled_and_finds_violations() {
    let schema = JsonSchema::compile(&json!({
        "type": "object", "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/word"}, "b": {"type": "integer"}},
        "$defs": {"word": {"type": "string", "pattern": "^(?!x)[a-z]+$"}},
    }))
    .unwrap();
    assert!(schema.is_valid(&json!({"a": "word", "b": 1})));
    let violations = schema.violations(&json!({"a": "x", "b": "c"}), 10);
    let pointers: Vec<_> = violations
        .iter()
        .map(|violation| violation.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/a", "/b"]);
    assert_eq!(schema.violations(&json!({"a": "x", "b": "c"}), 1).len(), 1);
}

#[test]
fn nothing_outside_the_schema_is_read() {
    for reference in [
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "other.json",
        "#/nowhere",
        "#anchor",
        "#/%24defs/a",
    ] {
        assert!(
            refusal(json!({"$ref": reference})).contains("leads nowhere"),
            "{reference}"
        );
    }
    assert!(refusal(json!({"$schema": "http://example.com/schema"})).contains("meta-schema"));
}

/// `count` definitions, each of which applies the next one twice.
fn doubling(count: usize, link: fn(Value) -> Value) -> Value {
    let mut definitions = Map::new();
    for number in 0..count {
        let next = json!({"$ref": format!("#/$defs/a{}", number + 1)});
        definitions.insert(
            format!("a{number}"),
            json!({"allOf": [link(next.clone()), link(next)]}),
        );
    }
    definitions.insert(format!("a{count}"), json!({"type": "string"}));
    json!({"$defs": definitions, "$ref": "#/$defs/a0"})
}

#[test]
fn schemas_that_would_take_for_ever_are_refused() {
    assert_eq!(refusal(doubling(10, |next| next)), "none");
    assert!(refusal(doubling(40, |next| next)).contains("too much work"));
    assert!(
        refusal(doubling(40, |next| json!({"properties": {"x": next}}))).contains("too much work")
    );
    let recursive = json!({"allOf": [{"properties": {"x": {"$ref": "#"}}}, {"additionalProperties": {"$ref": "#"}}]});
    assert!(refusal(recursive).contains("too much work"));
    assert!(refusal(json!({"$ref": "#"})).contains("back to itself"));
    assert!(
        refusal(json!({"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}))
            .contains("back to itself")
    );
    assert!(refusal(json!({"pattern": "(((a{1000}){1000}){1000})"})).contains("regex"));
    assert!(refusal(json!({"pattern": "(".repeat(5000)})).contains("longer"));
    assert!(refusal(json!({"enum": vec!["x".repeat(100); 400]})).contains("larger"));
    let many: Vec<Value> = (0..100)
        .map(|n| json!({"pattern": format!("a{n}")}))
        .collect();
    assert!(refusal(json!({"oneOf": many})).contains("patterns"));
}

#[test]
fn recursion_that_does_not_multiply_is_fine() {
    let tree = json!({
        "type": "object",
        "properties": {
            "left": {"$ref": "#"}, "right": {"$ref": "#"},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
    });
    assert_eq!(refusal(tree), "none");
}
