//! Why an expression could not be evaluated.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExpressionErrorKind {
    /// It does not parse.
    Syntax,
    /// It is nested too deeply or is too long to be evaluated safely.
    TooComplex,
    /// A value it needs is undefined.
    Undefined,
    /// It used up the work that one expression may cost.
    OutOfFuel,
    /// Its result, or that of the whole config, is too large.
    TooLarge,
    /// Its result has no form in JSON: a function, bytes, or a number that is not finite.
    NotJson,
    /// Anything else: a filter refused its argument, a type does not fit an operator.
    Evaluation,
}

/// An expression that could not be evaluated. The message is minijinja's, which names variables and
/// types, and shows the operands of a failed calculation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ExpressionError {
    /// What went wrong.
    pub kind: ExpressionErrorKind,
    /// Where in the config it was, as a JSON pointer; empty for a single expression.
    pub pointer: String,
    /// The expression or template, shortened.
    pub source_text: String,
    /// What happened, in one sentence part.
    pub message: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if !self.source_text.is_empty() {
            write!(f, " in `{}`", self.source_text)?;
        }
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        Ok(())
    }
}

impl ExpressionError {
    pub(crate) fn new(kind: ExpressionErrorKind, message: impl Into<String>) -> Self {
        ExpressionError {
            kind,
            pointer: String::new(),
            source_text: String::new(),
            message: message.into(),
        }
    }

    /// From minijinja's error; `source` is only needed for the cases where it gives no detail.
    pub(crate) fn from_minijinja(error: &minijinja::Error) -> Self {
        use minijinja::ErrorKind as E;
        let kind = match error.kind() {
            E::SyntaxError | E::BadEscape => ExpressionErrorKind::Syntax,
            E::UndefinedError => ExpressionErrorKind::Undefined,
            E::OutOfFuel => ExpressionErrorKind::OutOfFuel,
            E::BadSerialization => ExpressionErrorKind::NotJson,
            _ => ExpressionErrorKind::Evaluation,
        };
        let message = match (kind, error.detail()) {
            (ExpressionErrorKind::Undefined, Some(detail)) => detail.to_owned(),
            (ExpressionErrorKind::Undefined, None) => "a value is undefined".to_owned(),
            (ExpressionErrorKind::OutOfFuel, _) => "the expression takes too much work".to_owned(),
            (_, Some(detail)) => format!("{}: {detail}", error.kind()),
            (_, None) => error.kind().to_string(),
        };
        ExpressionError::new(kind, message)
    }

    pub(crate) fn at(mut self, source: &str) -> Self {
        const SHOWN: usize = 120;
        if self.source_text.is_empty() {
            self.source_text = match source.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}...", &source[..end]),
                None => source.to_owned(),
            };
        }
        self
    }
}
