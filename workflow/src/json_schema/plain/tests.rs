//! Plain schemas beside the compiler that they are spared.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::*;
use crate::document::Document;
use crate::json_schema::JsonSchema;

#[test]
fn what_people_write_is_plain() {
    let ticket = json!({
        "type": "object", "required": ["summary", "urgency"], "additionalProperties": false,
        "properties": {
            "summary": {"type": "string", "description": "Three sentences.", "maxLength": 500},
            "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
            "tags": {"type": "array", "items": {"enum": ["bug", "idea", null]}, "uniqueItems": true},
            "owner": {"anyOf": [{"type": "null"}, {"type": ["string", "number"], "format": "email"}]},
        },
    });
    assert!(plain(&ticket));
    assert!(!plain(&json!({"$ref": "#/$defs/a"})));
    assert!(!plain(&json!({"type": "objekt"})));
}

/// Whether the schema is plain; what is plain has to compile.
fn plain(schema: &Value) -> bool {
    let is_plain = is_plain(Document::of(schema).root());
    if is_plain {
        assert_eq!(JsonSchema::compile(schema).err(), None, "{schema}");
    }
    is_plain
}

#[test]
fn the_largest_plain_schemas_compile() {
    type Wrap = fn(Value) -> Value;
    let wraps: [(Wrap, usize); 6] = [
        (|inner| json!({"items": inner}), 20),
        (|inner| json!({"properties": {"a": inner}}), 20),
        (
            |inner| json!({"properties": {"": inner, "a": inner}, "additionalProperties": inner, "items": inner}),
            6,
        ),
        (
            |inner| json!({"items": inner, "additionalProperties": inner}),
            12,
        ),
        (|inner| json!({"anyOf": [inner, {}]}), 20),
        (|inner| json!({"oneOf": vec![inner; 5]}), 5),
    ];
    for (wrap, levels) in wraps {
        let mut schema = json!({"type": "string"});
        for _ in 0..levels {
            plain(&schema);
            // The alternatives that count most stand innermost.
            plain(&json!({"items": wrap(json!({"anyOf": [schema, {"allOf": [{}, {}]}]}))}));
            schema = wrap(schema);
        }
        assert!(!plain(&schema));
    }
}

/// Values that some keyword or other takes.
fn value() -> impl Strategy<Value = Value> {
    let list = json!([
        "string", "object", "integer", "objekt", "email", "#", "", "^a$",
        0, 1, -1, 1.0, 2.5, 1e300, null, true, false, [], {},
        ["a"], ["a", "a"], ["string", "null"], [1, 1],
        {"$ref": "#/nowhere"}, {"$id": "x:"}, [{"type": 1}],
    ]);
    select(list.as_array().cloned().unwrap_or_default())
}

fn schema() -> impl Strategy<Value = Value> {
    const SIMPLE: &[&str] = &[
        "type",
        "required",
        "enum",
        "examples",
        "const",
        "default",
        "title",
        "description",
        "format",
        "$comment",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "uniqueItems",
        "properties",
        "items",
        "additionalProperties",
        "anyOf",
        "pattern",
        "$schema",
        "$id",
        "unknown",
    ];
    const NAMES: &[&str] = &["a", "", "$ref", "$id", "$schema", "pattern", "enum", "é/~"];
    let leaf = prop::collection::vec((select(SIMPLE), value()), 0..3).prop_map(|fields| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(fields.collect())
    });
    leaf.prop_recursive(4, 24, 3, |inner| {
        let named = prop::collection::vec((select(NAMES), inner.clone()), 0..3);
        let list = prop::collection::vec(inner.clone(), 0..4);
        let one = select(&["items", "additionalProperties"][..]);
        let many = select(&["anyOf", "oneOf", "allOf"][..]);
        prop_oneof![
            (one, inner).prop_map(|(keyword, schema)| json!({keyword: schema})),
            (many, list).prop_map(|(keyword, list)| json!({keyword: list})),
            named.prop_map(|named| {
                let named = named
                    .into_iter()
                    .map(|(name, schema)| (name.to_owned(), schema));
                json!({"type": "object", "properties": Value::Object(named.collect::<Map<_, _>>())})
            }),
        ]
    })
}

#[test]
fn whatever_is_plain_compiles() {
    let (count, all) = (Cell::new(0), 20_000);
    let config = Config {
        cases: all,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&schema(), |schema| {
            count.set(count.get() + u32::from(plain(&schema)));
            Ok(())
        })
        .unwrap();
    assert!(count.get() * 10 > all, "only {} were plain", count.get());
}
