//! One span for each upstream call, in OpenTelemetry's words for generative AI:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans>. It ends with the answer: with a stream, when that has ended or is dropped.
//!
//! Nothing that was said is in it, neither by people nor by models.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::model_name::ModelName;
use crate::{FinishReason, LlmError, Usage};

pub(crate) const CHAT: &str = "chat";
pub(crate) const EMBEDDINGS: &str = "embeddings";
/// There is no word of its own for images.
pub(crate) const IMAGES: &str = "generate_content";

/// A call that begins. Who does not listen to spans of `llm` at level `info` pays nothing for it.
pub(crate) fn of_call(operation: &'static str, name: &ModelName<'_>) -> Span {
    info_span!(
        target: "llm",
        "llm call",
        otel.name = format!("{operation} {}", name.model),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = provider(name.provider),
        gen_ai.request.model = name.model,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
    )
}

/// The parts are counted within their whole there as they are here.
pub(crate) fn used(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    let parts = [
        (
            "gen_ai.usage.cache_read.input_tokens",
            usage.cached_input_tokens,
        ),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            usage.cache_write_input_tokens,
        ),
        (
            "gen_ai.usage.reasoning.output_tokens",
            usage.reasoning_tokens,
        ),
    ];
    for (name, tokens) in parts.into_iter().filter(|(_, tokens)| *tokens > 0) {
        span.record(name, tokens);
    }
}

/// A list there, of one for each answer; a field of `tracing` holds no lists.
pub(crate) fn finished(span: &Span, reason: FinishReason) {
    span.record("gen_ai.response.finish_reasons", reason.as_str());
}

pub(crate) fn failed(span: &Span, error: &LlmError) {
    span.record("error.type", error.code());
    span.record("otel.status_code", "ERROR");
    if error.usage.total_tokens() > 0 {
        used(span, &error.usage);
    }
}

/// As the conventions name it; what they do not know keeps its own name.
fn provider(name: &str) -> &str {
    match name {
        "gemini" => "gcp.gemini",
        other => other,
    }
}
