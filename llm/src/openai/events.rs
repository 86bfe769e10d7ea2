//! OpenAI's chunks: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use serde_json::Value;

use super::client::MALFORMED;
use crate::wire::{self, Mapper};
use crate::{ChatEvent, ErrorKind, FinishReason, LlmError, Usage, transport};

#[derive(Default)]
pub(super) struct Events {
    /// The calls so far: the number and the id that the server gave, in the order of our numbers.
    calls: Vec<(u64, String)>,
    refused: bool,
    reason: Option<FinishReason>,
    usage: Usage,
}

impl Mapper for Events {
    fn event(&mut self, chunk: &Value, out: &mut Vec<ChatEvent>) -> Result<(), LlmError> {
        if let Some(message) = chunk[MALFORMED].as_str() {
            return Err(LlmError::new(ErrorKind::MalformedResponse, message));
        }
        if let Some(error) = transport::from_event(chunk) {
            return Err(error);
        }
        self.usage(&chunk["usage"], out);
        // Only one choice is ever asked for.
        let choice = &chunk["choices"][0];
        // Some servers answer a streaming call with one whole message.
        let delta = if choice["delta"].is_object() {
            &choice["delta"]
        } else {
            &choice["message"]
        };
        for field in ["reasoning_content", "reasoning"] {
            if let Some(text) = wire::text(&delta[field]) {
                out.push(ChatEvent::Reasoning(text.to_owned()));
                break;
            }
        }
        self.content(&delta["content"], out);
        if let Some(text) = wire::text(&delta["refusal"]) {
            self.refused = true;
            out.push(ChatEvent::Text(text.to_owned()));
        }
        for (position, call) in delta["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            self.tool_call(position, call, out);
        }
        if let Some(reason) = wire::text(&choice["finish_reason"]) {
            self.reason = Some(finish_reason(reason));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatEvent>) {
        let Some(reason) = self.reason.take() else {
            return;
        };
        let reason = match reason {
            FinishReason::Stop if self.refused => FinishReason::Refusal,
            // Some servers say "stop" all the same.
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        out.push(ChatEvent::Finished {
            reason,
            usage: self.usage,
        });
    }
}

impl Events {
    fn usage(&mut self, usage: &Value, out: &mut Vec<ChatEvent>) {
        if !usage.is_object() {
            return;
        }
        let read = |value: &Value| wire::count(value).unwrap_or_default();
        let prompt = &usage["prompt_tokens_details"];
        self.usage = Usage {
            input_tokens: read(&usage["prompt_tokens"]),
            output_tokens: read(&usage["completion_tokens"]),
            // The second is DeepSeek's word.
            cached_input_tokens: wire::count(&prompt["cached_tokens"])
                .unwrap_or_else(|| read(&usage["prompt_cache_hit_tokens"])),
            cache_write_input_tokens: read(&prompt["cache_write_tokens"]),
            reasoning_tokens: read(&usage["completion_tokens_details"]["reasoning_tokens"]),
        };
        out.push(ChatEvent::Usage(self.usage));
    }

    /// A string; with Mistral also a list of parts.
    #[expect(clippy::unused_self, reason = "reads as its siblings do")]
    fn content(&self, content: &Value, out: &mut Vec<ChatEvent>) {
        if let Some(text) = wire::text(content) {
            out.push(ChatEvent::Text(text.to_owned()));
        }
        for part in content.as_array().into_iter().flatten() {
            if let Some(text) = wire::text(&part["text"]) {
                out.push(ChatEvent::Text(text.to_owned()));
            }
        }
    }

    fn tool_call(&mut self, position: usize, call: &Value, out: &mut Vec<ChatEvent>) {
        let number = call["index"].as_u64().unwrap_or(position as u64);
        let id = wire::text(&call["id"]);
        // The last one with this number; servers that number all calls 0 tell them apart by the id.
        let known = self
            .calls
            .iter()
            .rposition(|(known, _)| *known == number)
            .filter(|index| id.is_none_or(|id| self.calls[*index].1 == id));
        let function = &call["function"];
        let index = known.unwrap_or_else(|| {
            let id = id.map_or_else(wire::new_call_id, str::to_owned);
            self.calls.push((number, id.clone()));
            let index = self.calls.len() - 1;
            let name = function["name"].as_str().unwrap_or_default().to_owned();
            out.push(ChatEvent::ToolCallStart {
                index,
                id,
                name,
                signature: None,
            });
            index
        });
        match &function["arguments"] {
            Value::String(json) if !json.is_empty() => {
                out.push(ChatEvent::ToolCallArguments {
                    index,
                    json: json.clone(),
                });
            }
            arguments @ Value::Object(_) => {
                out.push(ChatEvent::ToolCallArguments {
                    index,
                    json: arguments.to_string(),
                });
            }
            _ => {}
        }
    }
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "stop" | "eos" | "end_turn" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
