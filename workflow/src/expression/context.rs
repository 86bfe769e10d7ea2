//! The scope that expressions are evaluated in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Value as JinjaValue;
use minijinja::value::{Enumerator, Object};
use serde_json::Value;

use super::json::from_json;

pub(super) type Names = BTreeMap<String, JinjaValue>;

/// The values in scope. Cloning is cheap, and adding a step costs only that step.
///
/// A step that was skipped is simply not there. Its `status` is then `skipped` and its `error`
/// null, but it is not defined and neither is its `output`.
#[derive(Clone, Default)]
pub struct Context {
    names: Arc<Names>,
    steps: Arc<Steps>,
}

impl Context {
    /// From a scope `{input, trigger, steps, execution, tenant, now, secrets}`; anything but an
    /// object is an empty scope.
    pub fn new(scope: &Value) -> Context {
        let mut names = Names::new();
        let mut steps = Steps::default();
        for (name, value) in scope.as_object().into_iter().flatten() {
            if name == "steps" {
                for (id, step) in value.as_object().into_iter().flatten() {
                    steps.0.insert(id.clone(), from_json(step));
                }
            } else {
                names.insert(name.clone(), from_json(value));
            }
        }
        Context {
            names: Arc::new(names),
            steps: Arc::new(steps),
        }
    }

    /// Puts a value into scope, or replaces it. Steps have a method of their own.
    pub fn set(&mut self, name: &str, value: &Value) {
        Arc::make_mut(&mut self.names).insert(name.to_owned(), from_json(value));
    }

    /// Records a step, `{output, error, status}`, under its node id.
    pub fn set_step(&mut self, id: &str, step: &Value) {
        Arc::make_mut(&mut self.steps)
            .0
            .insert(id.to_owned(), from_json(step));
    }

    pub(crate) fn root(&self) -> JinjaValue {
        let mut root = (*self.names).clone();
        root.insert(
            "steps".to_owned(),
            JinjaValue::from_dyn_object(Arc::clone(&self.steps)),
        );
        JinjaValue::from_object(root)
    }
}

/// Names only: the values may be secrets.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("names", &self.names.keys().collect::<Vec<_>>())
            .field("steps", &self.steps.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The steps that have run.
#[derive(Clone, Default)]
pub(super) struct Steps(Names);

impl Steps {
    /// The step, if it has run.
    pub(super) fn get(&self, id: &str) -> Option<JinjaValue> {
        self.0.get(id).cloned()
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        let id = key.as_str()?;
        Some(self.get(id).unwrap_or_else(|| {
            JinjaValue::from_pairs([
                ("status", JinjaValue::from("skipped")),
                ("error", JinjaValue::from(())),
            ])
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .keys()
                .map(|id| JinjaValue::from(id.as_str()))
                .collect(),
        )
    }
}
