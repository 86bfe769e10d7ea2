//! Checks what expressions refer to: variables, properties, and steps that have surely run.

use std::cell::OnceCell;

use super::graph::Graph;
use super::node::{Ids, Node};
use super::report::Report;
use super::sure::{Before, Sure};
use crate::expression::{FILTERS, FUNCTIONS, Shape, TESTS, has_template};
use crate::language::{Findings, Guard, Key, Trouble, Unknown, Variable, analyse};
use crate::nearest::suggestion;
use crate::path::Path;
use crate::plan::OnError;
use crate::{Code, Kind};

/// The variables in scope, with the properties of those that have a fixed set.
const VARIABLES: &[(&str, Option<&[&str]>)] = &[
    ("execution", Some(&["id", "workflow_id", "started_at"])),
    ("input", None),
    ("now", Some(&[])),
    ("secrets", None),
    ("steps", None),
    ("tenant", Some(&["id", "name"])),
    ("trigger", None),
];

/// What is in scope besides where a `for_each` says what is done with an item.
const ITEM_VARIABLES: [&str; 2] = ["index", "item"];

/// What every step has in scope.
const STEP_FIELDS: [&str; 3] = ["output", "error", "status"];

/// What expressions are checked against.
pub(crate) struct Scope<'a, 'n> {
    nodes: &'a [Node<'n>],
    graph: &'a Graph<'n>,
    ids: &'a Ids<'n>,
    sure: OnceCell<Option<Sure>>,
}

impl<'a, 'n> Scope<'a, 'n> {
    pub(crate) fn new(
        nodes: &'a [Node<'n>],
        ids: &'a Ids<'n>,
        graph: &'a Graph<'n>,
    ) -> Scope<'a, 'n> {
        Scope {
            nodes,
            graph,
            ids,
            sure: OnceCell::new(),
        }
    }

    /// Checks one template or expression of a node.
    pub(crate) fn check(
        &self,
        node: usize,
        text: &str,
        shape: Shape,
        secrets: bool,
        path: &Path<'_>,
        report: &mut Report,
    ) {
        let mut check = Check {
            scope: self,
            node,
            secrets,
            is_for_items: self.nodes[node].kind == Some(Kind::ForEach)
                && path.is_in_config_field("do"),
            path,
            report,
            unsure: Vec::new(),
            tested: Vec::new(),
        };
        match analyse(text, shape, &mut check) {
            Ok(()) => check.unsure(),
            Err(trouble) => {
                let (code, message) = match trouble {
                    Trouble::TooLarge(message) => (Code::TooLarge, message),
                    Trouble::Syntax(_) if shape == Shape::Expression && has_template(text) => (
                        Code::BracesInExpression,
                        "this is an expression already; write it without braces".to_owned(),
                    ),
                    Trouble::Syntax(message) => (
                        Code::InvalidExpression,
                        format!("does not parse: {message}"),
                    ),
                };
                check.add(code, message);
            }
        }
    }

    /// What is known about a step when a node starts; `None` when the graph has no order.
    fn before(&self, node: usize, step: usize) -> Option<Before> {
        let sure = self
            .sure
            .get_or_init(|| (!self.graph.is_cyclic()).then(|| Sure::new(self.nodes, self.graph)));
        Some(sure.as_ref()?.before(node, step))
    }
}

/// The check of one text.
struct Check<'c, 'a, 'n> {
    scope: &'c Scope<'a, 'n>,
    node: usize,
    secrets: bool,
    /// Whether `item` and `index` are in scope.
    is_for_items: bool,
    path: &'c Path<'c>,
    report: &'c mut Report,
    /// Steps that some runs skip, until the end of the text shows whether it tests for them.
    unsure: Vec<(usize, Before)>,
    tested: Vec<usize>,
}

impl Check<'_, '_, '_> {
    fn add(&mut self, code: Code, message: impl Into<String>) {
        let id = self.scope.nodes[self.node].id;
        self.report.add(code, id, self.path, message.into());
    }

    fn unsure(&mut self) {
        self.tested.sort_unstable();
        for (step, before) in std::mem::take(&mut self.unsure) {
            if self.tested.binary_search(&step).is_ok() {
                continue;
            }
            if self.report.is_settled() {
                return;
            }
            let id = self.scope.nodes[step].id.unwrap_or_default();
            let why = match before {
                Before::PerhapsFailed => "has failed on some runs that come here",
                _ => "is skipped on some runs that come here",
            };
            self.add(
                Code::StepNotSure,
                format!("step `{id}` {why}; add `| default(...)` or test it with `is defined`"),
            );
        }
    }

    fn step(&mut self, variable: &Variable<'_>) {
        let name = match variable.keys.get(0) {
            Some(Key::Name(name)) => name,
            Some(Key::Computed) | None => {
                let message = "steps that are not named one by one cannot be checked";
                return self.add(Code::DynamicStep, message);
            }
        };
        let Some(step) = self.scope.ids.get(name).map(|step| *step as usize) else {
            let message = self.unknown_step(name, variable);
            return self.add(Code::UnknownStep, message);
        };
        let field = match variable.keys.get(1) {
            Some(Key::Name(field)) if STEP_FIELDS.contains(&field) => Some(field),
            Some(Key::Name(field)) => {
                let message = match suggestion(field, STEP_FIELDS.into_iter()) {
                    Some(near) => format!("a step has no `{field}`; did you mean `{near}`?"),
                    None => format!("a step has no `{field}`; its result is in `output`"),
                };
                return self.add(Code::UnknownProperty, message);
            }
            Some(Key::Computed) | None => None,
        };
        match self.scope.before(self.node, step) {
            None | Some(Before::Surely) => {}
            Some(Before::Later) if step == self.node => {
                self.add(Code::StepNotBefore, "a step cannot refer to itself");
            }
            Some(Before::Later) => self.add(
                Code::StepNotBefore,
                format!("step `{name}` runs after this one"),
            ),
            Some(Before::Unordered) => self.add(
                Code::StepNotBefore,
                format!("this step does not wait for step `{name}`; draw an edge from it"),
            ),
            Some(before) => self.perhaps(step, field, before, variable.guard),
        }
        if field == Some("output")
            && variable.guard == Guard::None
            && let Some(Key::Name(property)) = variable.keys.get(2)
        {
            self.output_property(step, name, property);
        }
    }

    /// A step that comes before, but not on every run.
    fn perhaps(&mut self, step: usize, field: Option<&str>, before: Before, guard: Guard) {
        if guard == Guard::Test || matches!(field, Some("error" | "status")) {
            // Whoever asks how a step ended knows that it may not have run.
            self.tested.push(step);
            return;
        }
        let is_about_success = field.is_some();
        if guard == Guard::None && (before != Before::PerhapsFailed || is_about_success) {
            self.unsure.push((step, before));
        }
    }

    fn output_property(&mut self, step: usize, name: &str, property: &str) {
        let node = &self.scope.nodes[step];
        let Some(kind) = node.kind else { return };
        let Some(known) = kind.output_fields() else {
            return;
        };
        // A failed step that goes on has null as its output, and null has no fields at all.
        if node.on_error == OnError::Continue {
            return;
        }
        if !known.contains(&property) {
            let message = match suggestion(property, known.iter().copied()) {
                Some(near) => {
                    format!(
                        "the output of step `{name}` has no `{property}`; did you mean `{near}`?"
                    )
                }
                None => format!(
                    "the output of step `{name}` has no `{property}`; it has {}",
                    known.join(", ")
                ),
            };
            self.add(Code::UnknownProperty, message);
        } else if kind == Kind::Ai
            && property == "data"
            && node
                .value
                .get("config")
                .and_then(|config| config.get("output_schema"))
                .is_none()
        {
            let message = format!("step `{name}` gives no `data` without an output_schema");
            self.add(Code::UnknownProperty, message);
        }
    }

    /// The name may be the beginning of an id that is no identifier: `steps.node-1` is read as a
    /// subtraction.
    fn unknown_step(&self, name: &str, variable: &Variable<'_>) -> String {
        let mut ids: Vec<&str> = self.scope.ids.keys().copied().collect();
        ids.sort_unstable();
        let longer = ids.iter().find(|id| {
            variable.keys.get(1).is_none()
                && id.strip_prefix(name).is_some_and(|rest| {
                    rest.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                })
        });
        if let Some(id) = longer {
            return format!("there is no step `{name}`; write steps['{id}'] if that is meant");
        }
        match suggestion(name, ids.into_iter()) {
            Some(near) => format!("there is no step `{name}`; did you mean `{near}`?"),
            None => format!("there is no step `{name}`"),
        }
    }

    fn secret(&mut self, variable: &Variable<'_>) {
        if !self.secrets {
            let message = "a secret cannot be used here, where it would be recorded; \
                           it can in the url, headers, query, auth and body of an HTTP step";
            self.add(Code::SecretNotAllowed, message);
        } else if !matches!(variable.keys.get(0), Some(Key::Name(_))) {
            let message = "name the secret: secrets.<name>";
            self.add(Code::SecretNotAllowed, message);
        }
    }
}

impl Findings for Check<'_, '_, '_> {
    fn variable(&mut self, variable: &Variable<'_>) {
        if self.report.is_settled() {
            return;
        }
        let name = variable.name;
        if self.scope.nodes[self.node].is_trigger() && name != "secrets" && name != "tenant" {
            let message =
                format!("`{name}` is not known to a trigger; only secrets and tenant are");
            return self.add(Code::UnknownVariable, message);
        }
        match (name, VARIABLES.iter().find(|(known, _)| *known == name)) {
            ("steps", _) => self.step(variable),
            ("secrets", _) => self.secret(variable),
            (_, Some((_, Some(properties)))) => {
                if let Some(Key::Name(property)) = variable.keys.get(0)
                    && !properties.contains(&property)
                {
                    let message = match suggestion(property, properties.iter().copied()) {
                        Some(near) => {
                            format!("`{name}` has no `{property}`; did you mean `{near}`?")
                        }
                        None if properties.is_empty() => format!("`{name}` is a text"),
                        None => format!(
                            "`{name}` has no `{property}`; it has {}",
                            properties.join(", ")
                        ),
                    };
                    self.add(Code::UnknownProperty, message);
                }
            }
            (_, Some(_)) => {}
            (name, None) if self.is_for_items && ITEM_VARIABLES.contains(&name) => {}
            (name, None)
                if ITEM_VARIABLES.contains(&name)
                    && self.scope.nodes[self.node].kind == Some(Kind::ForEach) =>
            {
                let message = format!("`{name}` is only known in `do`, where there is an item");
                self.add(Code::UnknownVariable, message);
            }
            (_, None) => {
                let of_items = ITEM_VARIABLES.iter().filter(|_| self.is_for_items);
                let names = VARIABLES.iter().map(|(name, _)| *name);
                let names = names.chain(of_items.copied());
                let message = match suggestion(name, names) {
                    Some(near) => format!("there is no variable `{name}`; did you mean `{near}`?"),
                    None if self.scope.ids.contains_key(name) => {
                        format!("there is no variable `{name}`; write steps.{name}.output")
                    }
                    None => format!(
                        "there is no variable `{name}`; there are input, trigger, steps, \
                         execution, tenant, now and secrets"
                    ),
                };
                self.add(Code::UnknownVariable, message);
            }
        }
    }

    fn unknown(&mut self, what: Unknown, name: &str) {
        let (code, kind, list) = match what {
            Unknown::Filter => (Code::UnknownFilter, "filter", FILTERS),
            Unknown::Test => (Code::UnknownTest, "test", TESTS),
            Unknown::Function => (Code::UnknownFunction, "function", FUNCTIONS),
        };
        let message = match suggestion(name, list.iter().copied()) {
            Some(near) => format!("there is no {kind} `{name}`; did you mean `{near}`?"),
            None if what != Unknown::Filter && FILTERS.contains(&name) => {
                format!("there is no {kind} `{name}`, but there is a filter: `| {name}`")
            }
            None => format!("there is no {kind} `{name}`"),
        };
        self.add(code, message);
    }

    fn method(&mut self, name: &str) {
        let message = if FILTERS.contains(&name) {
            format!("values have no methods; use the filter: `| {name}`")
        } else {
            format!("values have no methods, so `{name}` cannot be called")
        };
        self.add(Code::UnknownFunction, message);
    }

    fn unsupported(&mut self, message: &'static str) {
        self.add(Code::InvalidExpression, message);
    }
}
