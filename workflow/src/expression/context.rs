//! The scope that expressions are evaluated in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Value as JinjaValue;
use serde_json::Value;

use super::json::from_json;

type Names = BTreeMap<String, JinjaValue>;

/// The values in scope. Cloning is cheap, and adding a step costs only that step.
#[derive(Clone, Default)]
pub struct Context {
    names: Arc<Names>,
    steps: Arc<Names>,
}

impl Context {
    /// From a scope `{input, trigger, steps, execution, tenant, now, secrets}`; anything but an
    /// object is an empty scope.
    pub fn new(scope: &Value) -> Context {
        let mut names = Names::new();
        let mut steps = Names::new();
        for (name, value) in scope.as_object().into_iter().flatten() {
            if name == "steps" {
                for (id, step) in value.as_object().into_iter().flatten() {
                    steps.insert(id.clone(), from_json(step));
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
        Arc::make_mut(&mut self.steps).insert(id.to_owned(), from_json(step));
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
            .field("steps", &self.steps.keys().collect::<Vec<_>>())
            .finish()
    }
}
