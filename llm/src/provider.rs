//! The one trait.

use futures::future::BoxFuture;

use crate::{
    ChatRequest, EmbeddingRequest, Embeddings, ErrorKind, EventStream, ImageRequest, Images,
    LlmError,
};

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

    /// Makes vectors of texts, one for each and in their order. Unless it is implemented, the provider cannot: `unsupported`.
    fn embed<'a>(
        &'a self,
        _model: &'a str,
        _request: &'a EmbeddingRequest,
    ) -> BoxFuture<'a, Result<Embeddings, LlmError>> {
        unsupported("the provider has no embedding models")
    }

    /// Makes images. Unless it is implemented, the provider cannot: `unsupported`.
    ///
    /// An error says by [`LlmError::may_be_billed`] whether the call may be made again without paying twice.
    fn make_images<'a>(
        &'a self,
        _model: &'a str,
        _request: &'a ImageRequest,
    ) -> BoxFuture<'a, Result<Images, LlmError>> {
        unsupported("images cannot be made with this provider")
    }
}

fn unsupported<T: Send + 'static>(message: &str) -> BoxFuture<'static, Result<T, LlmError>> {
    let error = LlmError::new(ErrorKind::Unsupported, message);
    Box::pin(std::future::ready(Err(error)))
}
