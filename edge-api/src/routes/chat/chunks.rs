//! An answer piece by piece: <https://platform.openai.com/docs/api-reference/chat/streaming>.

use llm::ChatEvent;
use serde_json::{Value, json};

use super::answer::{Head, finish_reason, tool_call, usage};

/// Writes the chunks of one stream.
pub struct Chunks {
    head: Head,
    includes_usage: bool,
}

impl Chunks {
    pub fn new(model: &str, includes_usage: bool) -> Self {
        Self {
            head: Head::new(model),
            includes_usage,
        }
    }

    /// What a stream begins with, before anything is said.
    pub fn first(&self) -> Value {
        self.chunk(json!({"role": "assistant", "content": ""}), None)
    }

    /// The chunks of one event: none, one, or at the end one more about the usage.
    pub fn of(&self, event: &ChatEvent) -> Vec<Value> {
        match event {
            ChatEvent::Text(text) => vec![self.chunk(json!({"content": text}), None)],
            // As DeepSeek, vLLM and others name what OpenAI itself does not show.
            ChatEvent::Reasoning(text) => {
                vec![self.chunk(json!({"reasoning_content": text}), None)]
            }
            ChatEvent::ToolCallStart {
                index,
                id,
                name,
                signature,
            } => {
                let mut call = tool_call(id, name, signature.as_deref());
                call["index"] = (*index).into();
                vec![self.chunk(json!({"tool_calls": [call]}), None)]
            }
            ChatEvent::ToolCallArguments { index, json } => {
                let call = json!({"index": index, "function": {"arguments": json}});
                vec![self.chunk(json!({"tool_calls": [call]}), None)]
            }
            ChatEvent::Finished {
                reason,
                usage: used,
            } => {
                let mut chunks = vec![self.chunk(json!({}), Some(finish_reason(*reason)))];
                if self.includes_usage {
                    let mut last = self.head.object("chat.completion.chunk", json!([]));
                    last["usage"] = usage(used);
                    chunks.push(last);
                }
                chunks
            }
            _ => Vec::new(),
        }
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        });
        let mut chunk = self.head.object("chat.completion.chunk", json!([choice]));
        if self.includes_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}
