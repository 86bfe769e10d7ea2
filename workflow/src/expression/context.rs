//! The scope that expressions are evaluated in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::Value as JinjaValue;
use minijinja::value::{Enumerator, Object};
use serde_json::Value;

use super::json::{from_json, object};

/// The values in scope. Cloning is cheap, adding a step costs only that step, and what no expression asks for costs
/// next to nothing.
///
/// A step that was skipped is simply not there. Its `status` is then `skipped` and its `error`
/// null, but it is not defined and neither is its `output`.
#[derive(Clone, Default)]
pub struct Context {
    root: Arc<Root>,
}

/// How a step ended, as `steps.<id>` shows it.
#[derive(Debug, Clone)]
pub struct EndedStep {
    pub status: &'static str,
    /// `{code, message, details?}`, or null.
    pub error: Value,
    /// Undefined without one.
    pub output: Option<Arc<Value>>,
}

impl Context {
    /// From a scope `{input, trigger, steps, execution, tenant, now, secrets}`; anything but an
    /// object is an empty scope.
    pub fn new(scope: &Value) -> Context {
        let mut root = Root::default();
        for (name, value) in scope.as_object().into_iter().flatten() {
            if name == STEPS {
                let steps = value.as_object().into_iter().flatten();
                let steps =
                    steps.map(|(id, step)| (id.clone(), Lazy::json(Arc::new(step.clone()))));
                root.steps = Arc::new(Steps(steps.collect()));
            } else {
                let value = Lazy::json(Arc::new(value.clone()));
                root.names.insert(Cow::Owned(name.clone()), value);
            }
        }
        Context {
            root: Arc::new(root),
        }
    }

    /// Puts a value into scope, or replaces it. Steps have a method of their own.
    pub fn set(&mut self, name: &'static str, value: Arc<Value>) {
        self.put(name, Lazy::json(value));
    }

    /// The same for a value that is made when an expression first asks for it.
    pub fn set_made(
        &mut self,
        name: &'static str,
        make: impl Fn() -> Value + Send + Sync + 'static,
    ) {
        self.put(name, Lazy::new(move || from_json(&make())));
    }

    /// Another name for a value that is in scope.
    pub fn alias(&mut self, name: &'static str, of: &str) {
        if let Some(value) = self.root.names.get(of).cloned() {
            self.put(name, value);
        }
    }

    /// Records a step under its node id.
    pub fn set_step(&mut self, id: &str, step: EndedStep) {
        let step = Lazy::new(move || {
            let output = step.output.as_deref().map(from_json);
            let fields = [
                Some(("error", from_json(&step.error))),
                Some(("status", JinjaValue::from(step.status))),
                output.map(|output| ("output", output)),
            ];
            object(fields.into_iter().flatten())
        });
        let root = Arc::make_mut(&mut self.root);
        Arc::make_mut(&mut root.steps).0.insert(id.to_owned(), step);
    }

    fn put(&mut self, name: &'static str, value: Lazy) {
        let root = Arc::make_mut(&mut self.root);
        root.names.insert(Cow::Borrowed(name), value);
    }

    pub(crate) fn root(&self) -> JinjaValue {
        JinjaValue::from_dyn_object(Arc::clone(&self.root))
    }
}

/// Names only: the values may be secrets.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("names", &self.root.names.keys().collect::<Vec<_>>())
            .field("steps", &self.root.steps)
            .finish()
    }
}

/// A value of the language, made when it is first asked for.
#[derive(Clone)]
struct Lazy(Arc<Made>);

struct Made {
    value: OnceLock<JinjaValue>,
    make: Box<dyn Fn() -> JinjaValue + Send + Sync>,
}

impl Lazy {
    fn new(make: impl Fn() -> JinjaValue + Send + Sync + 'static) -> Lazy {
        Lazy(Arc::new(Made {
            value: OnceLock::new(),
            make: Box::new(make),
        }))
    }

    fn json(json: Arc<Value>) -> Lazy {
        Lazy::new(move || from_json(&json))
    }

    fn get(&self) -> JinjaValue {
        self.0.value.get_or_init(&self.0.make).clone()
    }
}

const STEPS: &str = "steps";

/// All names.
#[derive(Clone, Default)]
pub(super) struct Root {
    names: BTreeMap<Cow<'static, str>, Lazy>,
    steps: Arc<Steps>,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names.keys()).finish()
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        match key.as_str()? {
            STEPS => Some(JinjaValue::from_dyn_object(Arc::clone(&self.steps))),
            name => self.names.get(name).map(Lazy::get),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.names.keys().map(|name| JinjaValue::from(&**name));
        Enumerator::Values(names.chain([JinjaValue::from(STEPS)]).collect())
    }
}

/// The steps that have run.
#[derive(Clone, Default)]
pub(super) struct Steps(BTreeMap<String, Lazy>);

impl Steps {
    /// The step, if it has run.
    pub(super) fn get(&self, id: &str) -> Option<JinjaValue> {
        self.0.get(id).map(Lazy::get)
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
