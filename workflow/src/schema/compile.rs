//! From a JSON schema to a [`Check`]. Only the keywords that our own schemas use are known; a test
//! fails when a schema uses another.

use serde_json::Value;

use super::check::{Alternatives, Check, Extra, Format, Mode, Types};
use super::pattern::PATTERNS;

/// Keywords that say something to people only.
#[cfg(test)]
const PROSE: &[&str] = &["$schema", "title", "description", "default"];

pub(crate) fn compile(schema: &Value) -> Check {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let count = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok())
    };
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool) == Some(true);
    let required = names(schema.get("required"));
    let format = match text("x-format") {
        Some("cron") => Some(Format::Cron),
        Some("timezone") => Some(Format::Timezone),
        Some("timestamp") => Some(Format::Timestamp),
        Some("agent_version") => Some(Format::AgentVersion),
        _ => flag("x-json-schema").then_some(Format::JsonSchema),
    };
    let is_checked_by_format = format == Some(Format::AgentVersion);
    let bound = |name: &str| number(name).filter(|_| !is_checked_by_format);
    let fields = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let is_required = required.iter().any(|required| **required == **name);
            (name.as_str().into(), is_required, compile(schema))
        })
        .collect();
    Check {
        types: types(schema.get("type").filter(|_| !is_checked_by_format)),
        allowed: match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(values)), _) => Some(values.clone()),
            (_, Some(value)) => Some(vec![value.clone()]),
            _ => None,
        },
        fields,
        extra: match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Extra::Refused,
            Some(schema @ Value::Object(_)) => Extra::Checked(Box::new(compile(schema))),
            _ => Extra::Ignored,
        },
        max_fields: count("maxProperties"),
        items: schema.get("items").map(|items| Box::new(compile(items))),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique: flag("uniqueItems"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        pattern: text("pattern").and_then(|text| {
            PATTERNS
                .iter()
                .find(|(pattern, ..)| *pattern == text)
                .map(|(_, matcher, message)| (*matcher, *message))
        }),
        minimum: bound("minimum"),
        above: bound("exclusiveMinimum"),
        maximum: bound("maximum"),
        alternatives: alternatives(schema),
        mode: match text("x-template") {
            Some("text") => Mode::Text,
            Some("json") => Mode::Json,
            Some("expression") => Mode::Expression,
            _ => Mode::Literal,
        },
        secrets: flag("x-secrets"),
        format,
    }
}

fn names(list: Option<&Value>) -> Vec<Box<str>> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(Box::from)
        .collect()
}

fn types(value: Option<&Value>) -> Types {
    match value {
        None => Types::ANY,
        Some(Value::String(name)) => Types::named(name),
        Some(list) => names(Some(list))
            .iter()
            .fold(Types::NONE, |types, name| types.or(Types::named(name))),
    }
}

fn alternatives(schema: &Value) -> Alternatives {
    let (list, exactly_one) = match (schema.get("oneOf"), schema.get("anyOf")) {
        (Some(Value::Array(list)), _) => (list, true),
        (_, Some(Value::Array(list))) => (list, false),
        _ => return Alternatives::None,
    };
    let only_required = |schema: &Value| {
        schema
            .as_object()
            .is_some_and(|fields| fields.keys().all(|key| key == "required"))
    };
    if list.iter().all(only_required) {
        return Alternatives::Required {
            names: list
                .iter()
                .flat_map(|schema| names(schema.get("required")))
                .collect(),
            exactly_one,
        };
    }
    let tag = |schema: &Value| {
        schema
            .pointer("/properties/kind/const")
            .and_then(Value::as_str)
            .map(Box::from)
    };
    if list.iter().all(|schema| tag(schema).is_some()) {
        return Alternatives::ByKind(
            list.iter()
                .filter_map(|schema| Some((tag(schema)?, compile(schema))))
                .collect(),
        );
    }
    Alternatives::ByType(list.iter().map(compile).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::node_schemas;

    const KNOWN: &[&str] = &[
        "type",
        "enum",
        "const",
        "properties",
        "required",
        "additionalProperties",
        "maxProperties",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "oneOf",
        "anyOf",
        "x-template",
        "x-secrets",
        "x-format",
        "x-json-schema",
    ];

    fn check_keywords(schema: &Value, place: &str) {
        let Some(fields) = schema.as_object() else {
            assert!(schema.is_boolean(), "{place}");
            return;
        };
        for (keyword, value) in fields {
            assert!(
                KNOWN.contains(&keyword.as_str()) || PROSE.contains(&keyword.as_str()),
                "{place} uses {keyword}, which `compile` does not know"
            );
            let inner: Vec<&Value> = match keyword.as_str() {
                "properties" => value.as_object().unwrap().values().collect(),
                "items" | "additionalProperties" => vec![value],
                "oneOf" | "anyOf" => value.as_array().unwrap().iter().collect(),
                _ => continue,
            };
            for schema in inner {
                check_keywords(schema, &format!("{place}/{keyword}"));
            }
        }
        if let Some(pattern) = fields.get("pattern") {
            assert!(
                PATTERNS.iter().any(|(text, ..)| text == pattern),
                "{place}: {pattern}"
            );
        }
    }

    #[test]
    fn our_schemas_use_only_keywords_that_are_checked() {
        for (kind, entry) in node_schemas()["kinds"].as_object().unwrap() {
            check_keywords(&entry["config"], kind);
        }
        check_keywords(&node_schemas()["node"], "node");
        check_keywords(&node_schemas()["connection"], "connection");
    }
}
