//! Checks each node's fields and config against their schemas, and what only code can check.

use std::borrow::Cow;

use super::expressions::Scope;
use super::graph::Graph;
use super::node::{Ids, Node};
use super::report::Report;
use crate::cron::Cron;
use crate::document::{Json, View};
use crate::expression::{Shape, has_template};
use crate::json_schema::JsonSchema;
use crate::limits::MAX_PATTERNS;
use crate::path::Path;
use crate::schema::{Events, Format, Mode, config_check, node_check};
use crate::{Code, Kind};
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

pub(crate) fn check<'n>(nodes: &[Node<'n>], ids: &Ids<'n>, graph: &Graph<'n>, report: &mut Report) {
    let scope = Scope::new(nodes, ids, graph);
    let mut patterns_left = MAX_PATTERNS;
    for (index, node) in nodes.iter().enumerate() {
        let View::Object(fields) = node.value.view() else {
            continue;
        };
        if report.is_settled() {
            return;
        }
        let path = Path::NODES.index(index);
        let mut events = Listener {
            scope: &scope,
            index,
            id: node.id,
            in_config: false,
            patterns_left: &mut patterns_left,
            report: &mut *report,
        };
        for (name, value) in fields {
            // What these are is checked where the node is read.
            if matches!(name, "type" | "config") || (name == "id" && node.id.is_none()) {
                continue;
            }
            if let Some(check) = node_check().property(name) {
                check.run(value, &path.key(name), &mut events);
            }
        }
        let Some(kind) = node.kind else { continue };
        let path = path.key("config");
        if let Some(config) = fields.get("config") {
            events.in_config = true;
            config_check(kind).run(config, &path, &mut events);
            match kind {
                Kind::Ai => events.version_of_whom(config, &path),
                Kind::ForEach if node.item_kind() == Some(Kind::Ai) => {
                    if let Some(action) = config.get("do") {
                        events.version_of_whom(action, &path.key("do"));
                    }
                }
                _ => {}
            }
        }
        if !kind.is_runnable() {
            events.not_runnable(kind, &path.key("kind"));
        }
        if kind == Kind::ForEach
            && let Some(inner) = node.item_kind()
            && !inner.is_runnable()
        {
            events.not_runnable(inner, &path.key("do").key("kind"));
        }
    }
}

/// Postgres's `integer`, in which versions are counted.
const MAX_AGENT_VERSION: u64 = i32::MAX as u64;

struct Listener<'a, 's, 'n> {
    scope: &'a Scope<'s, 'n>,
    index: usize,
    id: Option<&'n str>,
    in_config: bool,
    /// Patterns that schemas may still have.
    patterns_left: &'a mut usize,
    report: &'a mut Report,
}

impl Listener<'_, '_, '_> {
    fn not_runnable(&mut self, kind: Kind, path: &Path<'_>) {
        let message = format!("this release cannot run nodes of kind {kind} yet");
        self.problem(Code::KindNotRunnable, path, message.into());
    }

    fn version_of_whom(&mut self, config: Json<'_>, path: &Path<'_>) {
        if config.get("agent_version").is_some() && config.get("agent_id").is_none() {
            let message = "is a version of an agent; name the agent in `agent_id`";
            self.problem(
                Code::InvalidAgentVersion,
                &path.key("agent_version"),
                message.into(),
            );
        }
    }
}

impl Events for Listener<'_, '_, '_> {
    fn problem(&mut self, code: Code, path: &Path<'_>, message: Cow<'static, str>) {
        self.report.add(code, self.id, path, message);
    }

    fn is_settled(&self) -> bool {
        self.report.is_settled()
    }

    fn template(&mut self, text: &str, mode: Mode, secrets: bool, path: &Path<'_>) {
        let shape = match mode {
            Mode::Expression => Shape::Expression,
            _ if has_template(text) => Shape::Template,
            _ => return,
        };
        self.scope
            .check(self.index, text, shape, secrets, path, self.report);
    }

    fn literal(&mut self, text: &str, path: &Path<'_>) {
        if self.in_config && has_template(text) {
            let message = "this field is taken as it stands; templates in it are not rendered";
            self.problem(Code::TemplateNotRendered, path, message.into());
        }
    }

    fn format(&mut self, value: Json<'_>, format: Format, path: &Path<'_>) {
        let (code, message) = match (format, value.as_str()) {
            (Format::Cron, Some(text)) => match Cron::parse(text) {
                Ok(_) => return,
                Err(error) => (Code::InvalidCron, error.to_string().into()),
            },
            // The bundled database, so that an answer does not depend on the machine.
            (Format::Timezone, Some(text)) => match TimeZoneDatabase::bundled().get(text) {
                Ok(_) => return,
                Err(_) => (
                    Code::UnknownTimezone,
                    "is not a time zone of the IANA database, such as Europe/Berlin".into(),
                ),
            },
            (Format::Timestamp, Some(text)) => {
                if has_template(text) || text.parse::<Timestamp>().is_ok() {
                    return;
                }
                (
                    Code::InvalidValue,
                    "must be an RFC 3339 time, such as 2026-01-31T08:00:00Z".into(),
                )
            }
            (Format::JsonSchema, _) => match JsonSchema::check(value, self.patterns_left) {
                Ok(()) => return,
                Err(message) => (Code::InvalidSchema, message.into()),
            },
            (Format::AgentVersion, _) => {
                let number = match value.view() {
                    View::Number(number) => number.as_u64(),
                    _ => None,
                };
                if number.is_some_and(|number| (1..=MAX_AGENT_VERSION).contains(&number)) {
                    return;
                }
                (
                    Code::InvalidAgentVersion,
                    "must be the number of a version of the agent, 1 or more".into(),
                )
            }
            // Of another type, which is reported already.
            _ => return,
        };
        self.problem(code, path, message);
    }
}
