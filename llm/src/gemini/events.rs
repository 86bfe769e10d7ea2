//! Gemini's chunks, each a whole `GenerateContentResponse`: <https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse>.

use serde_json::Value;

use crate::wire::{self, Mapper};
use crate::{ChatEvent, FinishReason, LlmError, Usage, transport};

#[derive(Default)]
pub(super) struct Events {
    calls: usize,
    reason: Option<FinishReason>,
    usage: Usage,
}

impl Mapper for Events {
    fn event(&mut self, chunk: &Value, out: &mut Vec<ChatEvent>) -> Result<(), LlmError> {
        if let Some(error) = transport::from_event(chunk) {
            return Err(error);
        }
        if chunk["usageMetadata"].is_object() {
            self.usage = usage(&chunk["usageMetadata"]);
            out.push(ChatEvent::Usage(self.usage));
        }
        // A prompt that is blocked has no candidates.
        if wire::text(&chunk["promptFeedback"]["blockReason"]).is_some() {
            self.reason = Some(FinishReason::ContentFilter);
        }
        let candidate = &chunk["candidates"][0];
        for part in candidate["content"]["parts"]
            .as_array()
            .into_iter()
            .flatten()
        {
            self.part(part, out);
        }
        if let Some(reason) = wire::text(&candidate["finishReason"]) {
            self.reason = Some(finish_reason(reason));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatEvent>) {
        let Some(reason) = self.reason.take() else {
            return;
        };
        let reason = match reason {
            // It has no reason of its own for calls.
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        out.push(ChatEvent::Finished {
            reason,
            usage: self.usage,
        });
    }
}

impl Events {
    fn part(&mut self, part: &Value, out: &mut Vec<ChatEvent>) {
        if let Some(text) = wire::text(&part["text"]) {
            let text = text.to_owned();
            out.push(if part["thought"] == true {
                ChatEvent::Reasoning(text)
            } else {
                ChatEvent::Text(text)
            });
        }
        let call = &part["functionCall"];
        if call.is_object() {
            let index = self.calls;
            self.calls += 1;
            out.push(ChatEvent::ToolCallStart {
                index,
                id: wire::text(&call["id"]).map_or_else(wire::new_call_id, str::to_owned),
                name: call["name"].as_str().unwrap_or_default().to_owned(),
                signature: wire::text(&part["thoughtSignature"]).map(str::to_owned),
            });
            if call["args"].is_object() {
                out.push(ChatEvent::ToolCallArguments {
                    index,
                    json: call["args"].to_string(),
                });
            }
        }
    }
}

/// The prompt's count holds what the cache gave; thoughts are counted apart from the candidates.
fn usage(usage: &Value) -> Usage {
    let read = |field: &str| wire::count(&usage[field]).unwrap_or_default();
    let thoughts = read("thoughtsTokenCount");
    Usage {
        input_tokens: read("promptTokenCount").saturating_add(read("toolUsePromptTokenCount")),
        output_tokens: read("candidatesTokenCount").saturating_add(thoughts),
        cached_input_tokens: read("cachedContentTokenCount"),
        cache_write_input_tokens: 0,
        reasoning_tokens: thoughts,
    }
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "FUNCTION_CALL" => FinishReason::ToolCalls,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
            FinishReason::ContentFilter
        }
        _ => FinishReason::Other,
    }
}
