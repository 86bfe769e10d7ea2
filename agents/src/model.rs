//! Who is asked.

use std::future::Future;

use llm::{ChatRequest, Completion};

/// Answers one round after the other. What a caller has to do around each call of a model stands in here.
pub trait Model {
    /// Why there is no answer, or why the conversation cannot go on. It ends it.
    type Error;

    /// The answer to the conversation so far. Rounds count from 1.
    fn answer(
        &mut self,
        round: u32,
        request: &ChatRequest,
    ) -> impl Future<Output = Result<Completion, Self::Error>> + Send;

    /// This answer asks for tools, and another round will follow. Called before any of them runs; what the last answer took is up to whoever
    /// gets it.
    fn goes_on(
        &mut self,
        round: u32,
        completion: &Completion,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
