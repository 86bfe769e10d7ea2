//! `ai_processing`: asks an agent, or a model that the node names.
//!
//! Tokens are set aside before the call and settled by what it really took, so a tenant cannot spend what its plan does not have. Whoever has
//! keys of its own to providers calls with them, and what is recorded of the call has none of them in it.

mod error;
mod own_keys;
mod request;
mod usage;

use std::collections::BTreeMap;
use std::time::Duration;

use llm::{ChatRequest, Completion, LlmError, Providers};
use serde_json::{Value, json};
use uuid::Uuid;

use self::usage::Payer;
use super::{Call, Failure, Redaction, Reserved, Stopped, Success};
use crate::queue::{self, Agent, LlmCall, Queue};
use crate::secrets::Opener;

/// Makes the call of a rendered config. `providers` have the platform's keys.
///
/// # Errors
/// `agent_not_found`, `invalid_config`, `quota_exceeded`, `llm_<kind>` for what the provider did, what [`Opener::provider_keys`] says; or the
/// claim is lost.
pub async fn run(
    queue: &Queue,
    providers: &Providers,
    opener: &Opener,
    call: &Call,
    timeout: Duration,
    reserved: Reserved,
) -> Result<Success, Stopped> {
    let agent = agent(queue, call).await?;
    let mut request = request::build(&call.config, agent.as_ref())?;
    request.timeouts.total = timeout;
    request.timeouts.first_token = timeout;

    let LlmCall {
        reservation,
        own_keys,
    } = prepare(queue, call, &request).await?;
    // Nobody listens any more when the execution is being let go.
    let _ = reserved
        .sender
        .send((call.place, call.attempt, reservation));

    let keys = opener.provider_keys(call.claim, &own_keys).await?;
    let redaction = Redaction::of(&keys, &Value::Null, &Value::Null);
    let payer = |model: &str| Payer {
        agent: agent.as_ref().map(|agent| agent.id),
        has_own_key: own_keys::provider_of(model).is_some_and(|name| keys.contains_key(name)),
    };
    let result = match complete(providers, &keys, &request).await {
        Ok(completion) => Ok(Success {
            output: output(&completion),
            handle: None,
            usage: Some(usage::to_json(
                &completion.model,
                &completion.usage,
                payer(&completion.model),
            )),
        }),
        Err(failed) => Err(error::failure(&failed, payer(&failed.model))),
    };
    // The other side may send back what it was sent.
    Ok(redaction.result(result)?)
}

async fn complete(
    providers: &Providers,
    keys: &BTreeMap<String, secrecy::SecretString>,
    request: &ChatRequest,
) -> Result<Completion, LlmError> {
    if keys.is_empty() {
        return providers.complete(request).await;
    }
    own_keys::with_keys(providers, keys)?
        .complete(request)
        .await
}

async fn agent(queue: &Queue, call: &Call) -> Result<Option<Agent>, Failure> {
    let Some(id) = call.config.get("agent_id").filter(|id| !id.is_null()) else {
        return Ok(None);
    };
    let id: Uuid = id
        .as_str()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Failure::invalid_config("agent_id is not a UUID"))?;
    match queue.agent(call.claim.key.tenant_id, id).await {
        Ok(Some(agent)) => Ok(Some(agent)),
        Ok(None) => Err(Failure::new(
            "agent_not_found",
            format!("there is no agent {id} in this tenant; it was probably deleted"),
        )),
        Err(error) => Err(Failure::database("read the agent", &error)),
    }
}

async fn prepare(queue: &Queue, call: &Call, request: &ChatRequest) -> Result<LlmCall, Stopped> {
    let tokens = usage::estimate(request);
    let providers = own_keys::providers_of(request);
    match queue.prepare_llm_call(call.claim, tokens, &providers).await {
        Ok(Some(prepared)) => Ok(prepared),
        Ok(None) => Err(Stopped::ClaimLost),
        Err(error) => Err(match queue::refusal(&error) {
            Some(refusal) => Failure::refused(refusal).into(),
            None => Failure::database("set tokens aside", &error).into(),
        }),
    }
}

fn output(completion: &Completion) -> Value {
    let mut output = json!({
        "text": completion.text,
        "model": completion.model,
        "finish_reason": completion.finish_reason.as_str(),
        "usage": {
            "input_tokens": completion.usage.input_tokens,
            "output_tokens": completion.usage.output_tokens,
        },
    });
    if let Some(data) = &completion.data {
        output["data"] = data.clone();
    }
    if !completion.tool_calls.is_empty() {
        let calls = completion.tool_calls.iter().map(|call| {
            json!({
                "id": call.id,
                "name": call.name,
                "arguments": call.parsed_arguments().unwrap_or_else(|_| Value::String(call.arguments.clone())),
            })
        });
        output["tool_calls"] = calls.collect();
    }
    output
}
