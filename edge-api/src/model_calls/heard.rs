use llm::{ChatEvent, Completion, FinishReason, ToolCall, Usage};

/// An answer, put together as it comes.
pub struct Heard {
    pub answer: Completion,
    /// It has come to its end.
    pub is_whole: bool,
}

impl Heard {
    pub fn nothing() -> Self {
        let answer = Completion {
            text: String::new(),
            data: None,
            tool_calls: Vec::new(),
            model: String::new(),
            provider: String::new(),
            finish_reason: FinishReason::Other,
            usage: Usage::default(),
            attempts: 1,
        };
        Self {
            answer,
            is_whole: false,
        }
    }

    pub fn hears(&mut self, event: &ChatEvent) {
        let calls = &mut self.answer.tool_calls;
        match event {
            ChatEvent::Text(text) => self.answer.text.push_str(text),
            ChatEvent::ToolCallStart {
                id,
                name,
                signature,
                ..
            } => calls.push(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                signature: signature.clone(),
            }),
            ChatEvent::ToolCallArguments { index, json } => {
                if let Some(call) = calls.get_mut(*index) {
                    call.arguments.push_str(json);
                }
            }
            ChatEvent::Finished { reason, usage } => {
                self.answer.finish_reason = *reason;
                self.answer.usage = *usage;
                self.is_whole = true;
            }
            _ => {}
        }
    }
}
