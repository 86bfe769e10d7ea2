//! Renders configs and evaluates conditions.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use super::Context;
use super::depth::{Shape, check_depth};
use super::error::{ExpressionError, ExpressionErrorKind};
use super::json::{Budget, to_json};
use super::program::Program;
use crate::Kind;
use crate::limits::MAX_DEPTH;
use crate::schema::TemplateMode;

/// Expressions and templates that an engine keeps compiled. When there are more, it starts over.
const CACHE: usize = 4_096;

/// Renders and evaluates, and keeps what it has compiled. Share one: it is `Sync`.
#[derive(Default)]
pub struct Engine {
    /// Bare expressions.
    expressions: Cache<Arc<Program>>,
    /// Strings with braces.
    strings: Cache<Text>,
}

/// What a string with braces turned out to be.
#[derive(Clone)]
enum Text {
    /// Exactly one `{{ ... }}`; the program is that of its expression.
    Whole(Arc<Program>),
    Mixed(Arc<Program>),
}

impl Engine {
    /// An engine that has compiled nothing yet.
    pub fn new() -> Engine {
        Engine::default()
    }

    /// Renders every string in `config` that is a template; keys and other values stay.
    ///
    /// # Errors
    /// The first expression that does not parse, is undefined, costs too much, or whose result
    /// has no form in JSON, with its pointer in `config`.
    pub fn render(&self, config: &Value, context: &Context) -> Result<Value, ExpressionError> {
        let mut rendering = Rendering::new(self, context);
        rendering.value(config)
    }

    /// Renders a node's config: only the fields that its kind's schema marks as templates, so a
    /// JSON schema or a condition in it stays as it is.
    ///
    /// # Errors
    /// As [`Engine::render`].
    pub fn render_config(
        &self,
        kind: Kind,
        config: &Value,
        context: &Context,
    ) -> Result<Value, ExpressionError> {
        let mut rendering = Rendering::new(self, context);
        let Value::Object(fields) = config else {
            return Ok(config.clone());
        };
        let mut rendered = Map::new();
        for (name, value) in fields {
            let value = if crate::schema::template_mode(kind, name) == TemplateMode::Rendered {
                rendering.field(name, value)?
            } else {
                value.clone()
            };
            rendered.insert(name.clone(), value);
        }
        Ok(Value::Object(rendered))
    }

    /// Evaluates a bare expression, such as the condition of an `if`.
    ///
    /// # Errors
    /// When it does not parse, is undefined, costs too much or has no form in JSON.
    pub fn evaluate(&self, expression: &str, context: &Context) -> Result<Value, ExpressionError> {
        self.evaluate_within(expression, context, &mut Budget::new())
    }

    /// Evaluates a condition: whether its value is true in the sense of [`truthy`].
    ///
    /// # Errors
    /// As [`Engine::evaluate`].
    pub fn holds(&self, expression: &str, context: &Context) -> Result<bool, ExpressionError> {
        Ok(truthy(&self.evaluate(expression, context)?))
    }

    fn evaluate_within(
        &self,
        source: &str,
        context: &Context,
        budget: &mut Budget,
    ) -> Result<Value, ExpressionError> {
        let program = self
            .expressions
            .get(source, || compile(source, Shape::Expression))?;
        value(&program, source, context, budget)
    }

    fn string(
        &self,
        source: &str,
        context: &Context,
        budget: &mut Budget,
    ) -> Result<Value, ExpressionError> {
        let text = self
            .strings
            .get(source, || match whole_expression(source) {
                Some(expression) => compile(expression, Shape::Expression).map(Text::Whole),
                None => compile(source, Shape::Template).map(Text::Mixed),
            })?;
        match text {
            Text::Whole(program) => value(&program, source, context, budget),
            Text::Mixed(program) => program
                .text(context.root(), budget)
                .map(Value::String)
                .map_err(|error| error.at(source)),
        }
    }
}

fn compile(source: &str, shape: Shape) -> Result<Arc<Program>, ExpressionError> {
    check_depth(source, shape).map_err(|message| {
        ExpressionError::new(ExpressionErrorKind::TooComplex, message).at(source)
    })?;
    Program::compile(source, shape)
        .map(Arc::new)
        .map_err(|error| ExpressionError::from_minijinja(&error).at(source))
}

fn value(
    program: &Program,
    source: &str,
    context: &Context,
    budget: &mut Budget,
) -> Result<Value, ExpressionError> {
    let value = program
        .value(context.root(), budget)
        .map_err(|error| error.at(source))?;
    if value.is_undefined() {
        return Err(
            ExpressionError::new(ExpressionErrorKind::Undefined, "the value is undefined")
                .at(source),
        );
    }
    to_json(&value, budget).map_err(|error| error.at(source))
}

/// Compiled texts by their source.
struct Cache<T>(RwLock<HashMap<Box<str>, T>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache(RwLock::default())
    }
}

impl<T: Clone> Cache<T> {
    // A panic while a lock is held leaves only a cache behind, which is good to use as it is.
    fn get(
        &self,
        source: &str,
        compile: impl FnOnce() -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(source)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let compiled = compile()?;
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert(source.into(), compiled.clone());
        Ok(compiled)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// One walk over a config, with the place it is at and what it may still produce.
struct Rendering<'a> {
    engine: &'a Engine,
    context: &'a Context,
    budget: Budget,
    depth: usize,
}

impl<'a> Rendering<'a> {
    fn new(engine: &'a Engine, context: &'a Context) -> Self {
        Rendering {
            engine,
            context,
            budget: Budget::new(),
            depth: 0,
        }
    }

    fn value(&mut self, value: &Value) -> Result<Value, ExpressionError> {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => self.nested(|this| {
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        this.value(item)
                            .map_err(|error| inside(error, &index.to_string()))
                    })
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::Array)
            }),
            Value::Object(fields) => self.nested(|this| {
                fields
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), this.field(name, item)?)))
                    .collect::<Result<Map<_, _>, ExpressionError>>()
                    .map(Value::Object)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    fn field(&mut self, name: &str, value: &Value) -> Result<Value, ExpressionError> {
        self.value(value).map_err(|error| inside(error, name))
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Value, ExpressionError>,
    ) -> Result<Value, ExpressionError> {
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::new(
                ExpressionErrorKind::TooComplex,
                format!("the config nests more than {MAX_DEPTH} levels"),
            ));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn string(&mut self, text: &str) -> Result<Value, ExpressionError> {
        if !has_template(text) {
            self.budget.take(text.len())?;
            return Ok(Value::String(text.to_owned()));
        }
        self.engine.string(text, self.context, &mut self.budget)
    }
}

/// Prefixes the error's pointer with one more reference token (RFC 6901, section 4).
fn inside(mut error: ExpressionError, token: &str) -> ExpressionError {
    let token = token.replace('~', "~0").replace('/', "~1");
    error.pointer.insert_str(0, &token);
    error.pointer.insert(0, '/');
    error
}

/// Whether a value counts as true: everything but `null`, `false`, zero and what is empty.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Whether a string has to be rendered at all.
pub(crate) fn has_template(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        if matches!(rest.get(at + 1), Some(b'{' | b'%' | b'#')) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The expression of a string that is exactly one `{{ ... }}`, white space around it aside.
pub(crate) fn whole_expression(text: &str) -> Option<&str> {
    use minijinja::machinery::{Token, Tokenizer};
    let text = text.trim();
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    // The first end of the tag must be the end of the text; quotes and brackets may hold braces.
    let mut tokens = Tokenizer::new(text, "", false, Default::default());
    while let Ok(Some((token, span))) = tokens.next_token() {
        if matches!(token, Token::VariableEnd) {
            let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
            let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
            return (span.end_offset as usize == text.len()).then_some(inner);
        }
    }
    None
}
