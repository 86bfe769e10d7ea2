//! Checks each node's fields and config against their schemas, and what only code can check.

use std::borrow::Cow;

use serde_json::Value;

use super::graph::Graph;
use super::node::Node;
use super::report::Report;
use crate::expression::{Shape, check_depth, has_template};
use crate::path::Path;
use crate::schema::{Events, Format, Mode, check_user_schema, config_check, node_check};
use crate::{Code, Kind};

pub(crate) fn check(nodes: &[Node<'_>], _graph: &Graph<'_>, report: &mut Report) {
    for (index, node) in nodes.iter().enumerate() {
        let Value::Object(fields) = node.value else {
            continue;
        };
        let path = Path::NODES.index(index);
        let mut events = Listener {
            node,
            report: &mut *report,
        };
        for (name, value) in fields {
            // What these are is checked where the node is read.
            if matches!(name.as_str(), "type" | "config") || (name == "id" && node.id.is_none()) {
                continue;
            }
            if let Some(check) = node_check().property(name) {
                check.run(value, &path.key(name), &mut events);
            }
        }
        let Some(kind) = node.kind else { continue };
        let path = path.key("config");
        if let Some(config) = fields.get("config") {
            config_check(kind).run(config, &path, &mut events);
        }
        if !kind.is_runnable() {
            events.not_runnable(kind, &path.key("kind"));
        }
    }
}

struct Listener<'a, 'b> {
    node: &'a Node<'b>,
    report: &'a mut Report,
}

impl Listener<'_, '_> {
    fn not_runnable(&mut self, kind: Kind, path: &Path<'_>) {
        let message = format!("this release cannot run nodes of kind {kind} yet");
        self.report
            .add(Code::KindNotRunnable, self.node.id, path, message);
    }
}

impl Events for Listener<'_, '_> {
    fn problem(&mut self, code: Code, path: &Path<'_>, message: Cow<'static, str>) {
        self.report.add(code, self.node.id, path, message);
    }

    fn template(&mut self, text: &str, mode: Mode, _secrets: bool, path: &Path<'_>) {
        let shape = match mode {
            Mode::Expression => Shape::Expression,
            _ if has_template(text) => Shape::Template,
            _ => return,
        };
        let wrong = match check_depth(text, shape) {
            Err(message) => Some((Code::TooLarge, message)),
            Ok(()) => parse(text, shape).err().map(|error| {
                let message = error.detail().unwrap_or("it does not parse").to_owned();
                (Code::InvalidExpression, message)
            }),
        };
        if let Some((code, message)) = wrong {
            self.problem(code, path, message.into());
        }
    }

    fn literal(&mut self, _text: &str, _path: &Path<'_>) {}

    fn format(&mut self, value: &Value, format: Format, path: &Path<'_>) {
        if format == Format::JsonSchema
            && let Err(message) = check_user_schema(value)
        {
            self.problem(Code::InvalidSchema, path, message.into());
        }
    }
}

fn parse(text: &str, shape: Shape) -> Result<(), minijinja::Error> {
    match shape {
        Shape::Expression => minijinja::machinery::parse_expr(text).map(drop),
        Shape::Template => minijinja::machinery::parse(text, "", Default::default()).map(drop),
    }
}
