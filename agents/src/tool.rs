//! What can be done for a model.

use futures::future::BoxFuture;
use serde_json::Value;

/// Something that a model may ask for and that is done here.
pub trait Tool: Send + Sync {
    /// What the model is told of it.
    fn declaration(&self) -> &llm::Tool;

    /// Does it. The text is what the model is told; it is cut where it is too long. Dropping the future stops it.
    ///
    /// # Errors
    /// What the model is told instead. It goes on from there.
    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>>;
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// From 1.
    pub round: u32,
    /// Among the calls of the round, from 0. With the round it names the call: what a model calls it need not be unique.
    pub index: usize,
    /// What the model wrote. It may be anything.
    pub arguments: Value,
}

/// Why a tool has no result, in a sentence for the model. Whatever a tenant's model may not see is not in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolError(pub String);

impl ToolError {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
