//! `ai_processing`: asks an agent, or a model that the node names.
//!
//! Tokens are set aside before the call and settled by what it really took, so a tenant cannot spend what its plan does not have.

mod error;
mod request;
mod usage;

use std::time::Duration;

use llm::{Completion, Providers};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, Failure, Reserved, Stopped, Success};
use crate::queue::{self, Agent, Queue};

/// Makes the call of a rendered config.
///
/// # Errors
/// `agent_not_found`, `invalid_config`, `quota_exceeded`, `llm_<kind>` for what the provider did; or the claim is lost.
pub async fn run(
    queue: &Queue,
    providers: &Providers,
    call: &Call,
    timeout: Duration,
    reserved: Reserved,
) -> Result<Success, Stopped> {
    let agent = agent(queue, call).await?;
    let mut request = request::build(&call.config, agent.as_ref())?;
    request.timeouts.total = timeout;
    request.timeouts.first_token = timeout;

    let reservation = reserve(queue, call, usage::estimate(&request)).await?;
    // Nobody listens any more when the execution is being let go.
    let _ = reserved
        .sender
        .send((call.place, call.attempt, reservation));

    let agent_id = agent.map(|agent| agent.id);
    match providers.complete(&request).await {
        Ok(completion) => Ok(Success {
            output: output(&completion),
            handle: None,
            usage: Some(usage::to_json(
                &completion.model,
                &completion.usage,
                agent_id,
            )),
        }),
        Err(failed) => Err(error::failure(&failed, agent_id).into()),
    }
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

async fn reserve(queue: &Queue, call: &Call, tokens: u64) -> Result<Uuid, Stopped> {
    match queue.reserve_tokens(call.claim, tokens).await {
        Ok(Some(reservation)) => Ok(reservation),
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
