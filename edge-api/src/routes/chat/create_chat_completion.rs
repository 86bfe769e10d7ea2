use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use llm::{ChatEvent, ChatStream, Completion, Usage};
use serde_json::{Value, json};

use super::chunks::Chunks;
use super::request::ChatCompletionRequest;
use super::{answer, errors};
use crate::error::{ApiError, ErrorBody};
use crate::extract;
use crate::model_calls::{Admitted, Begun, CacheUse, Meter, ModelCalls, replayed};
use crate::whose::Whose;

/// Something for proxies that cut what is silent, while a model thinks.
const SILENCE: Duration = Duration::from_secs(15);

/// Asks a model, or an agent of the tenant, in OpenAI's own protocol: its SDKs need nothing but this service's address, with `/v1`, as their
/// base URL, and a session's access token or a tenant's API key as their key. Who may: members with `models.call`.
///
/// The answer is a `chat.completion`, or with `stream` server-sent events with `chat.completion.chunk`s. What a call takes is set aside before and
/// counted after, also when it is broken off.
///
/// An agent's own tools run inside of the request, as the caller, and its model is asked again: the answer is one, and `usage` is of all rounds. Calls of
/// tools that the request brings are answered to the client, who runs them.
///
/// Where the tenant has `answer_cache_seconds`, a request with temperature 0 that was answered lately is answered the same, at no cost; the header
/// `x-aias-cache` says `hit` or `miss`. `Cache-Control: no-cache` asks the model all the same.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "models", operation_id = "createChatCompletion",
    params(("tenant_id" = Option<Uuid>, Query, description = "Whose. Left out: the API key's tenant, or the one at this address.")),
    request_body = ChatCompletionRequest,
    security(("session" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "The answer.", content((Object = "application/json"), (Object = "text/event-stream"))),
        (status = 400, description = "`invalid_json`, `invalid_body`, `unsupported_parameter`: details say which. `llm_invalid_request`: the provider refuses it. `llm_invalid_model_name`: it is neither `provider/model` nor `agent:<slug>`. `tool_name_taken`: the agent has a tool of this name. `tenant_required`, `invalid_query`, `invalid_host`.", body = ErrorBody),
        (status = 402, description = "`quota_exceeded`: the plan has no tokens left; details say how many.", body = ErrorBody),
        (status = 403, description = "`forbidden`: neither your role nor your key's scopes let you call models, or read the agents whose documents one of them searches. `person_required`: the agent calls functions for whoever asks it, who is an API key or of several tenants. `tenant_suspended`, `tenant_cancelled`, `second_factor_required`, `wrong_host`.", body = ErrorBody),
        (status = 404, description = "`not_found`: there is no such tenant, or you are not in it. `agent_not_found`. `llm_model_not_found`, `llm_unknown_provider`.", body = ErrorBody),
        (status = 408, description = "`body_too_slow`: the body did not come to its end in 30 seconds.", body = ErrorBody),
        (status = 409, description = "`agent_config_invalid`, `function_not_allowed`, `secret_not_found`: the agent cannot do what it is set up for. `agent_changed`: it was given other models meanwhile.", body = ErrorBody),
        (status = 413, description = "`body_too_large`.", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`: the body is not JSON.", body = ErrorBody),
        (status = 422, description = "`llm_invalid_output`: what the model said does not match the schema, also after it was asked to repair it. `llm_refused`. `too_many_rounds`: the agent's model asks for tools as often as `max_rounds` lets it.", body = ErrorBody),
        (status = 429, description = "`rate_limited`: too many requests or tokens in a minute. `llm_rate_limited`: the provider says so. Retry-After says when to come back.", body = ErrorBody),
        (status = 502, description = "`llm_provider_error`, `llm_connection`, `llm_malformed_response`, `llm_cancelled`: the provider failed. `llm_authentication`, `llm_insufficient_quota`: it does not take the operator's key. `mcp_unavailable`, `http_blocked_address`: a server of the agent's cannot be asked what it can do.", body = ErrorBody),
        (status = 503, description = "`overloaded`, `unavailable`, `llm_overloaded`, `llm_circuit_open`: try again after Retry-After seconds. `llm_missing_key`: the operator has no key for this provider. `secrets_not_configured`: a tool of the agent uses secrets, which this service cannot open.", body = ErrorBody),
        (status = 504, description = "`llm_timeout`: the model took too long. `timeout`.", body = ErrorBody),
    )
)]
pub async fn create_chat_completion(
    whose: Whose,
    State(calls): State<ModelCalls>,
    headers: HeaderMap,
    extract::Json(wanted): extract::Json<ChatCompletionRequest>,
) -> Result<Response, ApiError> {
    let (is_stream, includes_usage) = (wanted.stream, wanted.includes_usage());
    let mut request = wanted.into_request()?;
    let cache = CacheUse::of(&headers);
    let begun = calls
        .begin_chat(&whose.session, whose.tenant_id, &mut request, cache)
        .await?;
    let Admitted {
        mut meter,
        providers,
        headers,
    } = match begun {
        Begun::Admitted(admitted) => *admitted,
        Begun::Answered(answer, headers) if is_stream => {
            let chunks = Chunks::new(&answer.model, includes_usage);
            return Ok((headers, Sse::new(again(&answer, &chunks))).into_response());
        }
        Begun::Answered(mut answer, headers) => {
            // It has taken nothing.
            answer.usage = Usage::default();
            return Ok((headers, Json(answer::completion(&answer))).into_response());
        }
        Begun::Conversation(conversation, headers) if is_stream => {
            let (model, said) = conversation.open().await?;
            return Ok(streamed(
                headers,
                events(said, Chunks::new(&model, includes_usage)),
            ));
        }
        Begun::Conversation(conversation, headers) => {
            let answer = conversation.answer().await?;
            return Ok((headers, Json(answer::completion(&answer))).into_response());
        }
    };
    if is_stream {
        let stream = providers.chat(&request).await;
        let stream = stream.map_err(|error| meter.failed(error))?;
        meter.answers(stream.model());
        let chunks = Chunks::new(stream.model(), includes_usage);
        return Ok(streamed(headers, events(metered(stream, meter), chunks)));
    }
    let completion = providers.complete(&request).await;
    let completion = completion.map_err(|error| meter.failed(error))?;
    meter.answered(&completion);
    let answer = Json(answer::completion(&completion));
    Ok((headers, answer).into_response())
}

/// An answer that is there already, as a stream.
fn again(
    answer: &Completion,
    chunks: &Chunks,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let said = replayed(answer);
    let said = said.iter().flat_map(|event| chunks.of(event));
    let mut lines = texts([chunks.first()].into_iter().chain(said).collect());
    lines.push("[DONE]".to_owned());
    stream::iter(lines).map(|line| Ok(Event::default().data(line)))
}

/// When the client leaves, this is dropped: the call upstream is closed and the meter says how far it came.
fn metered(
    stream: ChatStream,
    mut meter: Meter,
) -> impl Stream<Item = Result<ChatEvent, ApiError>> {
    stream.map(move |event| match event {
        Ok(event) => {
            meter.observe(&event);
            Ok(event)
        }
        Err(error) => Err(meter.failed(error)),
    })
}

fn events(
    said: impl Stream<Item = Result<ChatEvent, ApiError>> + Unpin,
    chunks: Chunks,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = texts(vec![chunks.first()]);
    let said = stream::unfold(Some((said, chunks)), async |state| {
        let (mut said, chunks) = state?;
        match said.next().await? {
            Ok(event) => {
                let mut lines = texts(chunks.of(&event));
                if matches!(event, ChatEvent::Finished { .. }) {
                    lines.push("[DONE]".to_owned());
                }
                Some((lines, Some((said, chunks))))
            }
            Err(error) => {
                error.record();
                let last = json!({"error": errors::error(&error.body(), error.status())});
                Some((texts(vec![last]), None))
            }
        }
    });
    stream::iter([first])
        .chain(said)
        .flat_map(stream::iter)
        .map(|line| Ok(Event::default().data(line)))
}

fn streamed(
    headers: HeaderMap,
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> Response {
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE));
    (headers, events).into_response()
}

fn texts(values: Vec<Value>) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}
