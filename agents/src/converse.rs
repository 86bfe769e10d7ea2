//! The loop.

use futures::StreamExt;
use futures::stream;
use llm::{ChatRequest, Completion, Message, Part, ToolCall, ToolChoice, Usage};

use crate::result::cut;
use crate::{Asked, Limits, Model, ToolError, Toolbox};

/// What a conversation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// The last answer. Its usage is that of the last round alone.
    pub completion: Completion,
    /// Times the model was asked.
    pub rounds: u32,
    /// Of all rounds.
    pub usage: Usage,
    /// The tools that were run, in the order in which they were asked for.
    pub ran: Vec<RanTool>,
    pub ended: Ended,
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The model is done.
    Answered,
    /// The model asks for a tool that is not run here; its calls are in the last answer, and none of them was run.
    ToolsElsewhere,
    /// The model was told to answer without tools, and asks for some all the same.
    OutOfRounds,
}

/// A tool that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanTool {
    pub round: u32,
    /// As the model wrote it: there may be no such tool.
    pub name: String,
    pub is_error: bool,
}

/// Asks, runs what is asked for, and asks again. The tools of `request` are those that run elsewhere; those of `toolbox` are added.
///
/// # Errors
/// What the model's side says. A tool's error is told to the model and ends nothing.
pub async fn converse<M: Model>(
    model: &mut M,
    mut request: ChatRequest,
    toolbox: &Toolbox<'_>,
    limits: Limits,
) -> Result<Conversation, M::Error> {
    let elsewhere: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
    request.tools.extend(toolbox.declarations().cloned());
    let is_elsewhere = |call: &ToolCall| toolbox.is_empty() || elsewhere.contains(&call.name);

    let mut usage = Usage::default();
    let mut ran = Vec::new();
    let mut round = 1;
    loop {
        let is_last = round >= limits.rounds;
        if is_last && round > 1 {
            request.tool_choice = ToolChoice::None;
        }
        let completion = model.answer(round, &request).await?;
        usage += completion.usage;
        let ended = match completion.tool_calls.as_slice() {
            [] => Some(Ended::Answered),
            calls if calls.iter().any(is_elsewhere) => Some(Ended::ToolsElsewhere),
            _ if is_last => Some(Ended::OutOfRounds),
            _ => None,
        };
        if let Some(ended) = ended {
            return Ok(Conversation {
                completion,
                rounds: round,
                usage,
                ran,
                ended,
            });
        }
        model.goes_on(round, &completion).await?;
        // What a caller forces is the first step, or the model could never answer.
        request.tool_choice = ToolChoice::Auto;

        let calls = completion.tool_calls;
        let text = completion.text;
        let content = (!text.is_empty()).then(|| Part::text(text));
        let runs: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(index, call)| run(toolbox, limits, round, index, call))
            .collect();
        let results: Vec<(String, bool)> =
            stream::iter(runs).buffered(limits.at_once).collect().await;
        let mut messages = Vec::with_capacity(calls.len());
        for (call, (content, is_error)) in calls.iter().zip(results) {
            tracing::debug!(round, tool = call.name, is_error, "a tool was run");
            messages.push(Message::Tool {
                tool_call_id: call.id.clone(),
                name: call.name.clone(),
                content,
                is_error,
            });
            ran.push(RanTool {
                round,
                name: call.name.clone(),
                is_error,
            });
        }
        request.messages.push(Message::Assistant {
            content: content.into_iter().collect(),
            tool_calls: calls,
        });
        request.messages.extend(messages);
        round += 1;
    }
}

/// What the model is told of a call, and whether that is an error.
async fn run(
    toolbox: &Toolbox<'_>,
    limits: Limits,
    round: u32,
    index: usize,
    call: &ToolCall,
) -> (String, bool) {
    let result = try_run(toolbox, limits, round, index, call).await;
    let is_error = result.is_err();
    let text = result.unwrap_or_else(|ToolError(why)| why);
    (cut(text, limits.result_bytes), is_error)
}

async fn try_run(
    toolbox: &Toolbox<'_>,
    limits: Limits,
    round: u32,
    index: usize,
    call: &ToolCall,
) -> Result<String, ToolError> {
    if index >= limits.calls_a_round {
        return Err(ToolError(format!(
            "not run: at most {} tools are run at once; ask for it again",
            limits.calls_a_round
        )));
    }
    let Some(tool) = toolbox.get(&call.name) else {
        return Err(ToolError(format!("there is no tool {}", call.name)));
    };
    let arguments = call
        .parsed_arguments()
        .map_err(|error| ToolError(format!("the arguments are not JSON: {error}")))?;
    let asked = Asked {
        round,
        index,
        arguments,
    };
    match tokio::time::timeout(limits.tool_timeout, tool.run(&asked)).await {
        Ok(result) => result,
        Err(_) => Err(ToolError(format!(
            "{} was not done within {} s",
            call.name,
            limits.tool_timeout.as_secs_f64()
        ))),
    }
}
