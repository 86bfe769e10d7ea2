//! The JSON schemas of nodes: served to frontends, and compiled here into what validation runs.
//! The served schema is the only source; there is no second list of fields.
//!
//! Three annotations are ours. `x-template` says how a string is read: `text` and `json` (strings
//! anywhere inside) are rendered, `expression` is an expression without braces. `x-secrets` allows
//! `secrets.<name>` in it. `x-format` (`cron`, `timezone`, `timestamp`, `agent_version`) and `x-json-schema` ask for
//! checks that JSON schema has no word for.

mod check;
mod compile;
mod pattern;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{Kind, NodeType};

pub(crate) use check::{Check, Events, Format, Mode};

const NODE: &str = include_str!("../../schemas/node.json");
const CONNECTION: &str = include_str!("../../schemas/connection.json");

const fn source(kind: Kind) -> &'static str {
    match kind {
        Kind::Manual => include_str!("../../schemas/manual.json"),
        Kind::Webhook => include_str!("../../schemas/webhook.json"),
        Kind::Schedule => include_str!("../../schemas/schedule.json"),
        Kind::Event => include_str!("../../schemas/event.json"),
        Kind::Http => include_str!("../../schemas/http.json"),
        Kind::Email => include_str!("../../schemas/email.json"),
        Kind::Transform => include_str!("../../schemas/transform.json"),
        Kind::Delay => include_str!("../../schemas/delay.json"),
        Kind::CallWorkflow => include_str!("../../schemas/call_workflow.json"),
        Kind::WaitForEvent => include_str!("../../schemas/wait_for_event.json"),
        Kind::Approval => include_str!("../../schemas/approval.json"),
        Kind::ForEach => include_str!("../../schemas/for_each.json"),
        Kind::If => include_str!("../../schemas/if.json"),
        Kind::Switch => include_str!("../../schemas/switch.json"),
        Kind::Ai => include_str!("../../schemas/ai.json"),
    }
}

/// What a frontend needs to build its forms:
///
/// ```json
/// {"format": 1, "node": {JSON schema}, "connection": {JSON schema},
///  "kinds": {"http": {"type": "action", "kind": "http", "runnable": true, "side_effect": true,
///                     "handles": [], "config": {JSON schema}}, ...}}
/// ```
///
/// `type` and `kind` are what a node of this kind has in `type` and `config.kind`; `handles` are
/// the branches that it always has, besides `error` where `on_error` is `branch`. The schemas are
/// draft 2020-12; see `x-template`, `x-secrets`, `x-format` and `x-json-schema` for what a form
/// may want to know beyond it.
pub fn node_schemas() -> &'static Value {
    static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
        let mut kinds = Map::new();
        for node_type in NodeType::ALL {
            for (text, kind) in node_type.kinds() {
                kinds.insert(
                    kind.as_str().to_owned(),
                    json!({
                        "type": node_type.as_str(),
                        "kind": text,
                        "runnable": kind.is_runnable(),
                        "side_effect": kind.has_side_effect(),
                        "handles": kind.handles(),
                        "config": config_schema(*kind),
                    }),
                );
            }
        }
        json!({
            "format": 1,
            "node": parse(NODE),
            "connection": parse(CONNECTION),
            "kinds": kinds,
        })
    });
    &SCHEMAS
}

/// The schema of a kind's config. A `for_each` has those of the actions that it can do in `do`, so
/// that a form can be drawn from it alone.
fn config_schema(kind: Kind) -> Value {
    let mut schema = parse(source(kind));
    if kind == Kind::ForEach
        && let Some(Value::Object(action)) = schema.pointer_mut("/properties/do")
    {
        let actions = Kind::FOR_ITEMS.iter().map(|(_, kind)| {
            let mut schema = parse(source(*kind));
            if let Some(fields) = schema.as_object_mut() {
                // A dialect is named once, at the root.
                fields.remove("$schema");
            }
            schema
        });
        action.insert("oneOf".to_owned(), actions.collect());
    }
    schema
}

/// The files are part of the program, and a test parses each of them.
fn parse(source: &str) -> Value {
    serde_json::from_str(source).unwrap_or(Value::Null)
}

/// The compiled schema of a kind's config.
pub(crate) fn config_check(kind: Kind) -> &'static Check {
    static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| {
        Kind::ALL
            .iter()
            .map(|kind| compile::compile(&config_schema(*kind)))
            .collect()
    });
    &CHECKS[kind as usize]
}

/// The compiled schema of the fields that all nodes have.
pub(crate) fn node_check() -> &'static Check {
    static CHECK: LazyLock<Check> = LazyLock::new(|| compile::compile(&parse(NODE)));
    &CHECK
}

/// Whether a field of a config is rendered before the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TemplateMode {
    Rendered,
    Literal,
}

/// How the engine treats one field of a config.
pub(crate) fn template_mode(kind: Kind, field: &str) -> TemplateMode {
    match config_check(kind).property(field) {
        Some(check) if check.is_rendered() => TemplateMode::Rendered,
        _ => TemplateMode::Literal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one_and_says_what_it_is() {
        let schemas = node_schemas();
        for kind in Kind::ALL {
            let schema = &schemas["kinds"][kind.as_str()]["config"];
            assert!(schema["title"].is_string(), "{kind} has a title");
            assert!(
                schema["description"].is_string(),
                "{kind} has a description"
            );
            jsonschema::meta::validate(schema).unwrap_or_else(|e| panic!("{kind}: {e}"));
            jsonschema::validator_for(schema).unwrap_or_else(|e| panic!("{kind}: {e}"));
        }
        for name in ["node", "connection"] {
            jsonschema::validator_for(&schemas[name]).unwrap();
        }
    }

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn only_what_is_marked_is_rendered() {
        assert_eq!(template_mode(Kind::Http, "headers"), TemplateMode::Rendered);
        assert_eq!(template_mode(Kind::Http, "auth"), TemplateMode::Rendered);
        assert_eq!(template_mode(Kind::Http, "method"), TemplateMode::Literal);
        assert_eq!(
            template_mode(Kind::Ai, "output_schema"),
            TemplateMode::Literal
        );
        assert_eq!(template_mode(Kind::If, "condition"), TemplateMode::Literal);
        assert_eq!(template_mode(Kind::Switch, "cases"), TemplateMode::Literal);
        assert_eq!(
            template_mode(Kind::Transform, "output"),
            TemplateMode::Rendered
        );
    }

    #[test]
    fn a_for_each_has_a_form_for_each_of_its_actions() {
        let action = &node_schemas()["kinds"]["for_each"]["config"]["properties"]["do"];
        let kinds: Vec<_> = action["oneOf"].as_array().unwrap().iter().collect();
        assert_eq!(kinds.len(), Kind::FOR_ITEMS.len());
        for (schema, (text, kind)) in kinds.into_iter().zip(Kind::FOR_ITEMS) {
            assert_eq!(schema["properties"]["kind"]["const"], *text);
            assert_eq!(schema["title"], parse(source(*kind))["title"]);
        }
    }
}
