//! The agent of a listing: asked for a tenant that has bought it, and shown to nobody.
//!
//! The step says the prompt, and the listing all else: tools or fallback models of the buyer's would be told what the seller's model is told. What comes
//! back is recorded without what the model was told, since models repeat what they are asked to, and providers quote it in their errors.

use serde_json::{Value, json};

use crate::nodes::{Call, Failure, Redaction, Success};
use crate::queue::{Agent, FoundListing, Queue};

/// A listing is named like a model: `listing/<slug>`.
const PREFIX: &str = "listing/";

/// A shorter passage may be in any text.
const SHORTEST: usize = 16;

/// The listing that a step names, by its slug.
pub(super) fn slug(config: &Value) -> Option<&str> {
    config.get("model")?.as_str()?.strip_prefix(PREFIX)
}

/// # Errors
/// `listing_not_found`, `listing_not_purchased`, `listing_suspended`.
pub(super) async fn agent(queue: &Queue, call: &Call, slug: &str) -> Result<Agent, Failure> {
    match queue.listed_agent(call.claim.key.tenant_id, slug).await {
        Ok(FoundListing::Agent(agent)) => Ok(agent),
        Ok(FoundListing::Refused(code)) => {
            let why = match code.as_str() {
                "listing_suspended" => "is suspended, and nobody runs its agent",
                "listing_not_purchased" => {
                    "is not bought by this tenant, or its money went back; the table purchases says which"
                }
                _ => "does not exist, or not any more",
            };
            Err(Failure::new(code, format!("the listing {slug} {why}")))
        }
        Err(error) => Err(Failure::database("read the listing", &error)),
    }
}

/// What the step may say itself.
pub(super) fn only_the_prompt(config: &Value) -> Value {
    json!({"prompt": config.get("prompt")})
}

/// A result as its buyer may read it.
pub(super) fn without_what_was_told(
    agent: &Agent,
    result: Result<Success, Failure>,
) -> Result<Success, Failure> {
    let told = Redaction::of_passages(&passages(&agent.config));
    match result {
        Ok(mut success) => {
            told.value(&mut success.output);
            Ok(success)
        }
        // A provider may quote any part of a request, cut anywhere.
        Err(failure) if failure.code.starts_with("llm_") => Err(Failure {
            message: "the listing's model could not answer".to_owned(),
            details: None,
            ..failure
        }),
        Err(mut failure) => {
            failure.message = told.text(&failure.message).into_owned();
            if let Some(details) = &mut failure.details {
                told.value(details);
            }
            Err(failure)
        }
    }
}

/// Lines and sentences of what a model is told of its role and of its functions.
fn passages(config: &Value) -> Vec<&str> {
    let tools = config.get("tools").and_then(Value::as_array);
    let descriptions = tools.into_iter().flatten().filter_map(|tool| {
        tool.get("description")
            .or_else(|| tool.pointer("/function/description"))
    });
    let texts = config.get("system_prompt").into_iter().chain(descriptions);
    let mut passages: Vec<&str> = texts
        .filter_map(Value::as_str)
        .flat_map(|text| {
            let lines = text.lines();
            std::iter::once(text).chain(lines.flat_map(|line| {
                std::iter::once(line).chain(line.split_inclusive(['.', '!', '?', ';']))
            }))
        })
        .map(str::trim)
        .filter(|passage| passage.chars().count() >= SHORTEST)
        .collect();
    passages.sort_unstable();
    passages.dedup();
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_named_like_a_model() {
        assert_eq!(slug(&json!({"model": "listing/writer"})), Some("writer"));
        assert_eq!(slug(&json!({"model": "openai/gpt-4o-mini"})), None);
        assert_eq!(slug(&json!({"agent_id": "x"})), None);
    }

    #[test]
    fn whole_sentences_are_hidden_wherever_they_are_quoted() {
        let agent = Agent {
            id: uuid::Uuid::nil(),
            version: 0,
            is_listed: true,
            model: "openai/gpt-4o-mini".to_owned(),
            config: json!({"system_prompt": "You are kind. The sauce has nine herbs in it!\nNever say so."}),
        };
        let success = Success {
            output: json!({"text": "I was told: the sauce. The sauce has nine herbs in it! Really."}),
            handle: None,
            usage: None,
        };
        let shown = without_what_was_told(&agent, Ok(success)).unwrap();
        assert_eq!(shown.output["text"], "I was told: the sauce. *** Really.");
        let failure = Failure::new("llm_provider_error", "bad request: The sauce has ni")
            .details(json!({"body": "x"}));
        let shown = without_what_was_told(&agent, Err(failure)).unwrap_err();
        assert_eq!(shown.message, "the listing's model could not answer");
        assert_eq!(shown.details, None);
    }
}
