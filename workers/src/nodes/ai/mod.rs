//! `ai_processing`: asks an agent, or a model that the node names, and does what it asks for.
//!
//! Tokens are set aside before each call of a model and settled by what it really took, so a tenant cannot spend what its plan does not have.
//! Whoever has keys of its own to providers calls with them, and what is recorded of a call has none of them in it.

mod error;
mod listing;
pub(crate) mod own_keys;
mod request;
mod rounds;
mod tools;
mod usage;

use std::time::Duration;

use agents::{Conversation, Ended, Limits, Toolbox};
use llm::ChatRequest;
use serde_json::{Value, json};
use uuid::Uuid;

use self::rounds::Rounds;
use super::{Call, Effects, Failure, Reserved, Stopped, Success};
use crate::queue::{Agent, FoundAgent, Queue};

/// Has the conversation of a rendered config. The time-out is for all of it.
///
/// # Errors
/// `agent_not_found`, `agent_version_not_found`, `listing_<why not>`, `invalid_config`, `quota_exceeded`, `too_many_rounds`, `mcp_unavailable`, `llm_<kind>` for what the provider did, what
/// [`Opener::provider_keys`](crate::secrets::Opener::provider_keys) says; or the claim is lost.
pub async fn run(
    world: &Effects,
    call: &Call,
    timeout: Duration,
    reserved: Reserved,
) -> Result<Success, Stopped> {
    if let Some(slug) = listing::slug(&call.config) {
        let agent = listing::agent(&world.queue, call, slug).await?;
        let node = listing::only_the_prompt(&call.config);
        let request = request::build(&node, Some(&agent))?;
        let rounds = Rounds::new(world, call, Some(&agent), timeout, reserved);
        // Tools act with what their owner has, which is neither the seller's to lend nor the buyer's to guess.
        let toolbox = Toolbox::default();
        let result = converse(rounds, request, &toolbox, Limits::default()).await?;
        return Ok(listing::without_what_was_told(&agent, result)?);
    }
    let agent = agent(&world.queue, call).await?;
    let request = request::build(&call.config, agent.as_ref())?;
    let limits = tools::limits(&call.config, agent.as_ref())?;
    let toolbox = tools::toolbox(world, call, agent.as_ref()).await?;
    let rounds = Rounds::new(world, call, agent.as_ref(), timeout, reserved);
    Ok(converse(rounds, request, &toolbox, limits).await??)
}

/// # Errors
/// The claim is lost; everything else is in the result.
async fn converse(
    mut rounds: Rounds<'_>,
    request: ChatRequest,
    toolbox: &Toolbox<'_>,
    limits: Limits,
) -> Result<Result<Success, Failure>, Stopped> {
    let result = match agents::converse(&mut rounds, request, toolbox, limits).await {
        Ok(conversation) => ended(&rounds, &conversation),
        Err(Stopped::Failed(failure)) => Err(failure),
        Err(Stopped::ClaimLost) => return Err(Stopped::ClaimLost),
    };
    Ok(rounds.redact(result))
}

/// The last round is paid with the record of the step.
fn ended(rounds: &Rounds<'_>, conversation: &Conversation) -> Result<Success, Failure> {
    let usage = rounds.usage_of(&conversation.completion, conversation.rounds);
    if conversation.ended == Ended::OutOfRounds {
        let mut failure = Failure::new(
            "too_many_rounds",
            format!(
                "the model was asked {} times and still asks for tools; max_rounds says how often it may be",
                conversation.rounds
            ),
        );
        failure.usage = Some(Box::new(usage));
        return Err(failure);
    }
    Ok(Success {
        output: output(conversation),
        handle: None,
        usage: Some(usage),
    })
}

/// Taken once for an attempt: what is changed meanwhile is so for the next one.
async fn agent(queue: &Queue, call: &Call) -> Result<Option<Agent>, Failure> {
    let Some(id) = call.config.get("agent_id").filter(|id| !id.is_null()) else {
        return Ok(None);
    };
    let id: Uuid = id
        .as_str()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Failure::invalid_config("agent_id is not a UUID"))?;
    let version = match request::field(&call.config, None, "agent_version") {
        None => None,
        Some(value) => Some(
            request::whole_number(value)
                .and_then(|version| i32::try_from(version).ok())
                .ok_or_else(|| {
                    Failure::invalid_config("agent_version is not a positive integer")
                })?,
        ),
    };
    match queue.agent(call.claim.key.tenant_id, id, version).await {
        Ok(FoundAgent::Agent(agent)) => Ok(Some(agent)),
        Ok(FoundAgent::NoSuchAgent) => Err(Failure::new(
            "agent_not_found",
            format!("there is no agent {id} in this tenant; it was probably deleted"),
        )),
        Ok(FoundAgent::NoSuchVersion) => Err(Failure::new(
            "agent_version_not_found",
            format!(
                "agent {id} has no version {}; the table agent_versions has those that there are",
                version.unwrap_or_default()
            ),
        )),
        Err(error) => Err(Failure::database("read the agent", &error)),
    }
}

fn output(conversation: &Conversation) -> Value {
    let completion = &conversation.completion;
    let mut output = json!({
        "text": completion.text,
        "model": completion.model,
        "finish_reason": completion.finish_reason.as_str(),
        "usage": {
            "input_tokens": conversation.usage.input_tokens,
            "output_tokens": conversation.usage.output_tokens,
        },
    });
    if let Some(data) = &completion.data {
        output["data"] = data.clone();
    }
    if !conversation.ran.is_empty() {
        output["rounds"] = conversation.rounds.into();
        let ran = conversation
            .ran
            .iter()
            .map(|ran| json!({"round": ran.round, "name": ran.name, "is_error": ran.is_error}));
        output["tools_run"] = ran.collect();
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
