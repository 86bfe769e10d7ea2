//! Chat, embedding and image models of every provider behind one interface.
//!
//! ```no_run
//! # async fn example() -> Result<(), llm::LlmError> {
//! use llm::{ChatRequest, Providers};
//!
//! let providers = Providers::from_env()?;
//! let request = ChatRequest::new("openai/gpt-4o-mini").system("Be brief.").user("Hello!");
//! let completion = providers.complete(&request).await?;
//! assert!(completion.usage.output_tokens > 0);
//! # Ok(())
//! # }
//! ```
//!
//! [`Providers`] is the way in: it owns the keys and the connections, retries, times out and falls back. Each
//! provider's wire format is a [`Provider`], which makes one call and knows nothing of all that.

mod anthropic;
mod breaker;
mod breakers;
mod builder;
mod call;
mod chat;
mod circuit;
mod completion;
mod embedding;
mod entry;
mod error;
mod estimate;
mod event;
mod gemini;
mod halves;
mod image;
mod message;
mod model_name;
mod openai;
mod provider;
mod providers;
mod request;
mod retry;
mod span;
mod sse;
mod structured;
mod transport;
mod wire;

pub use builder::ProvidersBuilder;
pub use circuit::BreakerPolicy;
pub use completion::{Completion, FinishReason, Usage};
pub use embedding::{EmbeddingRequest, Embeddings};
pub use error::{ErrorKind, LlmError, TimeoutPhase};
pub use estimate::{tokens_of_request, tokens_of_text};
pub use event::{ChatEvent, ChatStream, EventStream};
pub use image::{Image, ImageData, ImageRequest, Images};
pub use message::{Message, Part, Picture, Tool, ToolCall, ToolChoice};
pub use provider::Provider;
pub use providers::Providers;
pub use request::{ChatRequest, Timeouts};
pub use retry::RetryPolicy;
