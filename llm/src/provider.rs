//! The one trait.

use futures::future::BoxFuture;

use crate::{ChatRequest, EventStream, LlmError};

/// A provider of models: it speaks one wire format to one endpoint with one key.
///
/// An implementation makes exactly one upstream call. Retries, time-outs and fallback models are not its business; the
/// [registry](crate::Providers) does them the same way for all.
pub trait Provider: Send + Sync {
    /// Starts to answer. `model` is the name without the provider's part.
    ///
    /// The future resolves when the provider has accepted the call; dropping it, or the stream, closes the call.
    fn chat<'a>(
        &'a self,
        model: &'a str,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>>;
}
