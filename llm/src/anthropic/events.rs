//! Anthropic's events: <https://docs.claude.com/en/docs/build-with-claude/streaming>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::OUTPUT_TOOL;
use crate::wire::{self, Mapper};
use crate::{ChatEvent, FinishReason, LlmError, Usage, transport};

/// What a block of the answer is to us.
#[derive(Clone, Copy)]
enum Block {
    /// The call of our own output tool: its arguments are the answer.
    Output,
    /// A call, with our number for it.
    Tool(usize),
    Other,
}

#[derive(Default)]
pub(super) struct Events {
    blocks: BTreeMap<u64, Block>,
    calls: usize,
    reason: Option<FinishReason>,
    counts: Counts,
}

impl Mapper for Events {
    fn event(&mut self, event: &Value, out: &mut Vec<ChatEvent>) -> Result<(), LlmError> {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.usage(&event["message"]["usage"], out),
            "content_block_start" => self.start(number(event), &event["content_block"], out),
            "content_block_delta" => self.delta(number(event), &event["delta"], out),
            "message_delta" => {
                self.usage(&event["usage"], out);
                if let Some(reason) = wire::text(&event["delta"]["stop_reason"]) {
                    self.reason = Some(finish_reason(reason));
                }
            }
            "message_stop" => self.end(out),
            // `ping`, `content_block_stop`, and what comes to be later.
            _ => {
                if let Some(error) = transport::from_event(event) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatEvent>) {
        let Some(reason) = self.reason.take() else {
            return;
        };
        let reason = match reason {
            // It called the output tool, which is not known outside.
            FinishReason::ToolCalls if self.calls == 0 => FinishReason::Stop,
            reason => reason,
        };
        out.push(ChatEvent::Finished {
            reason,
            usage: self.counts.usage(),
        });
    }
}

impl Events {
    fn start(&mut self, number: u64, block: &Value, out: &mut Vec<ChatEvent>) {
        let kind = match block["type"].as_str() {
            Some("tool_use") if block["name"] == OUTPUT_TOOL => Block::Output,
            Some("tool_use") => {
                let index = self.calls;
                self.calls += 1;
                let id = wire::text(&block["id"]).map_or_else(wire::new_call_id, str::to_owned);
                let name = block["name"].as_str().unwrap_or_default().to_owned();
                out.push(ChatEvent::ToolCallStart {
                    index,
                    id,
                    name,
                    signature: None,
                });
                Block::Tool(index)
            }
            _ => Block::Other,
        };
        self.blocks.insert(number, kind);
        // Blocks begin empty; servers that put all of it here and send no deltas exist.
        if let Some(text) = wire::text(&block["text"]) {
            out.push(ChatEvent::Text(text.to_owned()));
        }
        if let Some(input) = block["input"].as_object().filter(|input| !input.is_empty()) {
            self.arguments(number, &Value::from(input.clone()).to_string(), out);
        }
    }

    fn delta(&mut self, number: u64, delta: &Value, out: &mut Vec<ChatEvent>) {
        if let Some(text) = wire::text(&delta["text"]) {
            out.push(ChatEvent::Text(text.to_owned()));
        }
        if let Some(text) = wire::text(&delta["thinking"]) {
            out.push(ChatEvent::Reasoning(text.to_owned()));
        }
        if let Some(json) = wire::text(&delta["partial_json"]) {
            self.arguments(number, json, out);
        }
    }

    fn arguments(&self, number: u64, json: &str, out: &mut Vec<ChatEvent>) {
        match self.blocks.get(&number) {
            Some(Block::Output) => out.push(ChatEvent::Text(json.to_owned())),
            Some(Block::Tool(index)) => {
                out.push(ChatEvent::ToolCallArguments {
                    index: *index,
                    json: json.to_owned(),
                });
            }
            // The provider's own tools, which run there.
            Some(Block::Other) | None => {}
        }
    }

    fn usage(&mut self, usage: &Value, out: &mut Vec<ChatEvent>) {
        if usage.is_object() {
            self.counts.update(usage);
            out.push(ChatEvent::Usage(self.counts.usage()));
        }
    }
}

/// Anthropic counts what the cache took part in apart from the rest of the input, and repeats its counts as they grow.
#[derive(Default)]
struct Counts {
    fresh: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
}

impl Counts {
    fn update(&mut self, usage: &Value) {
        let read = |field: &str, count: &mut u64| {
            if let Some(new) = wire::count(&usage[field]) {
                *count = new;
            }
        };
        read("input_tokens", &mut self.fresh);
        read("cache_read_input_tokens", &mut self.cache_read);
        read("cache_creation_input_tokens", &mut self.cache_write);
        read("output_tokens", &mut self.output);
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self
                .fresh
                .saturating_add(self.cache_read)
                .saturating_add(self.cache_write),
            output_tokens: self.output,
            cached_input_tokens: self.cache_read,
            cache_write_input_tokens: self.cache_write,
            // Thinking is counted with the output and not told apart.
            reasoning_tokens: 0,
        }
    }
}

fn number(event: &Value) -> u64 {
    event["index"].as_u64().unwrap_or_default()
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        _ => FinishReason::Other,
    }
}
