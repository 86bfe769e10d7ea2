//! Who hears an answer besides the client: what is kept of it.

use chrono::{DateTime, Utc};
use llm::{ChatEvent, Completion};
use serde_json::Value;

use super::answer_cache::Keeping;
use super::asides::Aside;
use super::captured_call::CapturedCall;
use super::heard::Heard;
use super::ledger::Ledger;
use super::meter::Account;

/// To one call.
pub struct Listening {
    keeping: Option<Keeping>,
    /// What was asked, where the tenant wants that to be kept.
    asked: Option<Value>,
    heard: Heard,
    was_streamed: bool,
}

impl Listening {
    /// None where nothing is to be kept.
    pub fn for_those(keeping: Option<Keeping>, asked: Option<Value>) -> Option<Self> {
        (keeping.is_some() || asked.is_some()).then(|| Self {
            keeping,
            asked,
            heard: Heard::nothing(),
            was_streamed: false,
        })
    }

    pub fn hears(&mut self, event: &ChatEvent) {
        self.was_streamed = true;
        self.heard.hears(event);
    }

    pub fn hears_all(&mut self, answer: &Completion) {
        self.heard = Heard {
            answer: answer.clone(),
            is_whole: true,
        };
    }

    /// The call is over, and `model` has answered, or nobody.
    pub fn ended(self, account: &Account, model: &str, ended_at: DateTime<Utc>, ledger: &Ledger) {
        let Heard {
            mut answer,
            is_whole,
        } = self.heard;
        model.clone_into(&mut answer.model);
        if let Some(keeping) = self.keeping
            && is_whole
            && let Some(kept) = keeping.keep(&answer, self.was_streamed)
        {
            ledger.keep(Aside::Answer(kept));
        }
        if let Some(asked) = self.asked {
            ledger.keep(Aside::Captured(CapturedCall {
                id: account.id,
                tenant_id: account.tenant_id,
                user_id: account.user_id,
                api_key_id: account.api_key_id,
                agent_id: account.agent_id,
                asked,
                answered: CapturedCall::answer(&answer),
                model: answer.model,
                is_whole,
                ended_at,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use llm::{FinishReason, Usage};

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
        assert!(!listening.heard.is_whole);
        let usage = Usage {
            output_tokens: 9,
            ..Usage::default()
        };
        let reason = FinishReason::ToolCalls;
        listening.hears(&ChatEvent::Finished { reason, usage });
        assert!(listening.heard.is_whole);
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
        assert_eq!(replayed(&listening.heard.answer), expected);
    }
}
