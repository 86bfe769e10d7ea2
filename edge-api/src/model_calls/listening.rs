//! Who hears an answer besides the client: what is kept of it.

use chrono::{DateTime, Utc};
use llm::{ChatEvent, Completion, FinishReason, ToolCall, Usage};
use serde_json::Value;

use super::answer_cache::Keeping;
use super::asides::Aside;
use super::captured_call::CapturedCall;
use super::ledger::Ledger;
use super::meter::Account;

/// To one call.
pub struct Listening {
    keeping: Option<Keeping>,
    /// What was asked, where the tenant wants that to be kept.
    asked: Option<Value>,
    heard: Completion,
    was_streamed: bool,
    is_whole: bool,
}

impl Listening {
    /// None where nothing is to be kept.
    pub fn for_those(keeping: Option<Keeping>, asked: Option<Value>) -> Option<Self> {
        (keeping.is_some() || asked.is_some()).then(|| Self {
            keeping,
            asked,
            heard: nothing(),
            was_streamed: false,
            is_whole: false,
        })
    }

    pub fn hears(&mut self, event: &ChatEvent) {
        self.was_streamed = true;
        let calls = &mut self.heard.tool_calls;
        match event {
            ChatEvent::Text(text) => self.heard.text.push_str(text),
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
                self.heard.finish_reason = *reason;
                self.heard.usage = *usage;
                self.is_whole = true;
            }
            _ => {}
        }
    }

    pub fn hears_all(&mut self, answer: &Completion) {
        self.heard = answer.clone();
        self.is_whole = true;
    }

    /// The call is over, and `model` has answered, or nobody.
    pub fn ended(
        mut self,
        account: &Account,
        model: &str,
        ended_at: DateTime<Utc>,
        ledger: &Ledger,
    ) {
        model.clone_into(&mut self.heard.model);
        if let Some(keeping) = self.keeping
            && self.is_whole
            && let Some(answer) = keeping.keep(&self.heard, self.was_streamed)
        {
            ledger.keep(Aside::Answer(answer));
        }
        if let Some(asked) = self.asked {
            ledger.keep(Aside::Captured(CapturedCall {
                id: account.id,
                tenant_id: account.tenant_id,
                user_id: account.user_id,
                api_key_id: account.api_key_id,
                agent_id: account.agent_id,
                asked,
                answered: CapturedCall::answer(&self.heard),
                model: self.heard.model,
                is_whole: self.is_whole,
                ended_at,
            }));
        }
    }
}

fn nothing() -> Completion {
    Completion {
        text: String::new(),
        data: None,
        tool_calls: Vec::new(),
        model: String::new(),
        provider: String::new(),
        finish_reason: FinishReason::Other,
        usage: Usage::default(),
        attempts: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_calls::answer_cache::replayed;

    #[test]
    fn what_is_heard_is_what_is_replayed() {
        let mut listening = Listening::for_those(None, Some(Value::Null)).unwrap();
        let start = |index, id: &str| ChatEvent::ToolCallStart {
            index,
            id: id.to_owned(),
            name: "look".to_owned(),
            signature: None,
        };
        let arguments = |index, json: &str| ChatEvent::ToolCallArguments {
            index,
            json: json.to_owned(),
        };
        let text = |text: &str| ChatEvent::Text(text.to_owned());
        let said = [
            text("One"),
            text(" two."),
            ChatEvent::Reasoning("hm".to_owned()),
            start(0, "c0"),
            arguments(0, "{"),
            start(1, "c1"),
            arguments(1, "{}"),
            arguments(0, "}"),
        ];
        said.iter().for_each(|event| listening.hears(event));
        assert!(!listening.is_whole);
        let usage = Usage {
            output_tokens: 9,
            ..Usage::default()
        };
        let reason = FinishReason::ToolCalls;
        listening.hears(&ChatEvent::Finished { reason, usage });
        assert!(listening.is_whole);
        let expected = [
            text("One two."),
            start(0, "c0"),
            arguments(0, "{}"),
            start(1, "c1"),
            arguments(1, "{}"),
            ChatEvent::Finished {
                reason,
                usage: Usage::default(),
            },
        ];
        assert_eq!(replayed(&listening.heard), expected);
    }
}
