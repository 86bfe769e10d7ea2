//! A whole answer in OpenAI's words: <https://platform.openai.com/docs/api-reference/chat/object>.

use llm::{Completion, FinishReason, Usage};
use serde_json::{Value, json};
use uuid::Uuid;

/// What every object of an answer begins with.
pub struct Head {
    id: String,
    created: i64,
    model: String,
}

impl Head {
    pub fn new(model: &str) -> Self {
        Self {
            id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
            created: chrono::Utc::now().timestamp(),
            model: model.to_owned(),
        }
    }

    pub fn object(&self, kind: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

pub fn completion(completion: &Completion) -> Value {
    let has_text = !completion.text.is_empty() || completion.tool_calls.is_empty();
    let mut message = json!({
        "role": "assistant",
        "content": has_text.then_some(&completion.text),
        "refusal": null,
    });
    if !completion.tool_calls.is_empty() {
        message["tool_calls"] = completion
            .tool_calls
            .iter()
            .map(|call| {
                let mut object = tool_call(&call.id, &call.name, call.signature.as_deref());
                object["function"]["arguments"] = call.arguments.as_str().into();
                object
            })
            .collect();
    }
    let choice = json!({
        "index": 0,
        "message": message,
        "logprobs": null,
        "finish_reason": finish_reason(completion.finish_reason),
    });
    let mut answer = Head::new(&completion.model).object("chat.completion", json!([choice]));
    answer["usage"] = usage(&completion.usage);
    answer
}

/// A call without its arguments.
pub fn tool_call(id: &str, name: &str, signature: Option<&str>) -> Value {
    let mut call =
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
    if let Some(signature) = signature {
        call["extra_content"] = json!({"google": {"thought_signature": signature}});
    }
    call
}

pub fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}

/// OpenAI's set is smaller than ours.
pub fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        _ => "stop",
    }
}
