//! Tokens: guessed before a call, counted after it.

use llm::{ChatRequest, Usage, tokens_of_request};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::queue::Expected;

/// Output that is expected of a call that sets no limit.
const DEFAULT_OUTPUT: u64 = 1_000;

/// What a call will probably take. It only has to be near: the difference is given back, or charged, when the call is over.
pub(super) fn expected<'a>(
    request: &ChatRequest,
    agent: Option<Uuid>,
    models: &'a [String],
) -> Expected<'a> {
    Expected {
        agent,
        models,
        input_tokens: tokens_of_request(request),
        output_tokens: request.max_tokens.map_or(DEFAULT_OUTPUT, u64::from),
    }
}

/// For whom a call was made, and who pays its provider.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Payer {
    /// The agent, and in which version it was asked.
    pub agent: Option<(Uuid, i32)>,
    /// The listing whose agent was asked.
    pub listing: Option<Uuid>,
    /// Whether it was made with the tenant's own key.
    pub has_own_key: bool,
}

/// As `queue.record` takes it. `model` is `provider/model`; with the attempt, the round is the key that it is counted under once.
pub(super) fn to_json(model: &str, usage: &Usage, payer: Payer, round: u32) -> Value {
    let (provider, name) = model.split_once('/').unwrap_or(("unknown", model));
    json!({
        "provider": provider,
        "model": name,
        "agent_id": payer.agent.map(|(id, _)| id),
        "agent_version": payer.agent.map(|(_, version)| version),
        "listing_id": payer.listing,
        "own_key": payer.has_own_key,
        "round": round,
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_input_tokens": usage.cache_write_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_characters_and_the_limit_of_the_answer() {
        let mut request = ChatRequest::new("openai/x").system("12345678").user("1234");
        let tokens = |request: &ChatRequest| {
            let expected = expected(request, None, &[]);
            (expected.input_tokens, expected.output_tokens)
        };
        assert_eq!(tokens(&request), (3, DEFAULT_OUTPUT));
        request.max_tokens = Some(50);
        assert_eq!(tokens(&request), (3, 50));
    }

    #[test]
    fn the_provider_is_told_from_the_model_at_the_first_slash() {
        let usage = Usage {
            input_tokens: 7,
            ..Usage::default()
        };
        let json = to_json("openrouter/meta/llama", &usage, Payer::default(), 1);
        assert_eq!(
            (&json["provider"], &json["model"], &json["input_tokens"]),
            (&json!("openrouter"), &json!("meta/llama"), &json!(7))
        );
    }
}
