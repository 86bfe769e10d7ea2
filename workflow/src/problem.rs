//! What is wrong with a workflow, in a form that an editor can point at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Code;

/// Whether a problem keeps a workflow from being activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The workflow cannot run; it cannot become active.
    Error,
    /// The workflow can run, but probably not as it is meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Whether the workflow can run all the same.
    pub severity: Severity,
    /// Which rule is broken; stable across releases.
    pub code: Code,
    /// The node it is about, where there is one and its id is a string.
    pub node_id: Option<String>,
    /// Where it is: a JSON pointer (RFC 6901) that starts with `/nodes` or `/connections`.
    pub pointer: String,
    /// A sentence for the author of the workflow that says what to do.
    pub message: String,
}

impl Problem {
    /// A problem with the severity that its code always has.
    pub fn new(
        code: Code,
        node_id: Option<&str>,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            severity: code.severity(),
            code,
            node_id: node_id.map(str::to_owned),
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} at {}: {}",
            self.severity, self.code, self.pointer, self.message
        )
    }
}
