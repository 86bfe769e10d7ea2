//! What one call takes.

use std::sync::Arc;

use chrono::Utc;
use llm::{ChatEvent, Completion, Embeddings, LlmError, Usage};
use uuid::Uuid;

use super::block::Part;
use super::ended_call::{Cap, EndedCall};
use super::journal::Seen;
use super::ledger::Ledger;
use super::listening::Listening;
use super::places::Place;
use super::tokens;
use crate::error::ApiError;

/// For whom a call is made, and what it has drawn.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub blocks: Vec<Part>,
    pub caps: Vec<Cap>,
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    pub agent_version: Option<i32>,
}

/// Counts one call, and tells the ledger once: when the call ends, or when this is dropped because nobody waits for it any more.
pub struct Meter {
    account: Account,
    ledger: Ledger,
    /// `provider/model`: the one asked for, then the one that answers.
    model: String,
    /// What the request will be counted as, if the provider does not come to say so.
    input: u64,
    counted: Usage,
    output_chars: usize,
    /// The providers that are called with the tenant's own keys.
    own_keys_to: Arc<[String]>,
    /// Where something of the answer is to be kept.
    listening: Option<Listening>,
    /// Until it has ended.
    place: Option<Place>,
}

impl Meter {
    pub(super) fn new(
        account: Account,
        ledger: Ledger,
        model: String,
        input: u64,
        own_keys_to: Arc<[String]>,
        place: Place,
    ) -> Self {
        let mut meter = Self {
            account,
            ledger,
            model,
            input,
            counted: Usage::default(),
            output_chars: 0,
            own_keys_to,
            listening: None,
            place: None,
        };
        let asked = Usage {
            input_tokens: input,
            ..Usage::default()
        };
        meter.ledger.begins(&place, &meter.call(&asked, true));
        meter.place = Some(place);
        meter
    }

    pub(super) fn heard_by(mut self, listening: Option<Listening>) -> Self {
        self.listening = listening;
        self
    }

    /// Which model it is that answers.
    pub fn answers(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    /// Something came. The end of a stream is counted at once.
    pub fn observe(&mut self, event: &ChatEvent) {
        if let Some(listening) = &mut self.listening {
            listening.hears(event);
        }
        match event {
            ChatEvent::Text(text) | ChatEvent::Reasoning(text) => self.said(text),
            ChatEvent::ToolCallStart { name, .. } => self.said(name),
            ChatEvent::ToolCallArguments { json, .. } => self.said(json),
            ChatEvent::Usage(usage) => self.counted = *usage,
            ChatEvent::Finished { usage, .. } => return self.finished(usage),
            _ => return,
        }
        if let Some(place) = &self.place {
            let seen = Seen {
                output_chars: self.output_chars as u64,
                counted: self.counted,
            };
            self.ledger.moves_on(place, &seen);
        }
    }

    /// All of it came at once.
    pub fn answered(&mut self, completion: &Completion) {
        self.answers(&completion.model);
        self.said(&completion.text);
        for call in &completion.tool_calls {
            self.said(&call.name);
            self.said(&call.arguments);
        }
        if let Some(listening) = &mut self.listening {
            listening.hears_all(completion);
        }
        self.finished(&completion.usage);
    }

    /// It came to its end, and its provider counts so much, or does not say.
    pub fn embedded(&mut self, embeddings: &Embeddings) {
        self.answers(&embeddings.model);
        self.finished(&embeddings.usage.unwrap_or_default());
    }

    fn said(&mut self, text: &str) {
        self.output_chars += text.chars().count();
    }

    /// It came to its end, and this is what its provider counts.
    fn finished(&mut self, usage: &Usage) {
        self.counted = *usage;
        match usage.total_tokens() {
            // A server that never counts.
            0 => self.cut_off(),
            _ => self.end(*usage, false),
        }
    }

    /// It failed. Before the first word nothing is paid but what the error says; after it, what was seen.
    pub fn failed(&mut self, error: LlmError) -> ApiError {
        if !error.model.is_empty() {
            self.answers(&error.model);
        }
        if self.output_chars > 0 || self.counted.total_tokens() > 0 {
            self.counted += error.usage;
            self.cut_off();
        } else {
            self.end(error.usage, false);
        }
        ApiError::Model {
            with_own_key: self.is_on_own_key(),
            error: Box::new(error),
        }
    }

    fn is_on_own_key(&self) -> bool {
        let provider = self.model.split_once('/').map(|(provider, _)| provider);
        self.own_keys_to.iter().any(|own| provider == Some(own))
    }

    fn cut_off(&mut self) {
        let seen = tokens::of_what_was_seen(&self.counted, self.input, self.output_chars);
        self.end(seen, true);
    }

    fn end(&mut self, usage: Usage, is_estimated: bool) {
        if let Some(place) = self.place.take() {
            let call = self.call(&usage, is_estimated);
            if let Some(listening) = self.listening.take() {
                listening.ended(&self.account, &self.model, call.ended_at, &self.ledger);
            }
            self.ledger.enter(call, place);
        }
    }

    fn call(&self, usage: &Usage, is_estimated: bool) -> EndedCall {
        let account = &self.account;
        let (provider, model) = self.model.split_once('/').unwrap_or(("", &self.model));
        let mut call = EndedCall {
            id: account.id,
            tenant_id: account.tenant_id,
            blocks: account.blocks.clone(),
            caps: account.caps.clone(),
            user_id: account.user_id,
            api_key_id: account.api_key_id,
            agent_id: account.agent_id,
            agent_version: account.agent_version,
            provider: provider.to_owned(),
            model: model.to_owned(),
            input_tokens: 0,
            cached_input_tokens: 0,
            cache_write_input_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            is_estimated,
            own_key: self.is_on_own_key(),
            ended_at: Utc::now(),
        };
        call.set_usage(usage);
        call
    }
}

/// The request was sent, and nobody waits for the rest of the answer.
impl Drop for Meter {
    fn drop(&mut self) {
        self.cut_off();
    }
}

#[cfg(test)]
mod tests {
    use llm::FinishReason;

    use super::*;
    use crate::model_calls::ledger;
    use crate::model_calls::places::Places;

    async fn meter() -> (Meter, ledger::Entered) {
        let (ledger, entered) = ledger::to_be_read();
        let account = Account {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            blocks: Vec::new(),
            caps: Vec::new(),
            user_id: None,
            api_key_id: None,
            agent_id: None,
            agent_version: None,
        };
        let place = Places::new(1).take().await.unwrap();
        let meter = Meter::new(
            account,
            ledger,
            "openai/asked".to_owned(),
            10,
            Arc::from([]),
            place,
        );
        (meter, entered)
    }

    fn counts(call: &EndedCall) -> (u64, u64, bool) {
        (call.input_tokens, call.output_tokens, call.is_estimated)
    }

    #[tokio::test]
    async fn what_the_provider_counts_is_entered_once() {
        let (mut meter, mut entered) = meter().await;
        meter.answers("other/answers/this");
        meter.observe(&ChatEvent::Text("12345678".to_owned()));
        let usage = Usage {
            input_tokens: 3,
            output_tokens: 4,
            ..Usage::default()
        };
        meter.observe(&ChatEvent::Finished {
            reason: FinishReason::Stop,
            usage,
        });
        drop(meter);
        let call = entered.next().unwrap();
        assert_eq!(counts(&call), (3, 4, false));
        assert_eq!(
            (call.provider.as_str(), call.model.as_str()),
            ("other", "answers/this")
        );
        assert!(entered.next().is_none());
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_to_its_end_is_paid_as_far_as_it_came() {
        let (mut meter, mut entered) = meter().await;
        meter.observe(&ChatEvent::Text("12345678".to_owned()));
        drop(meter);
        assert_eq!(counts(&entered.next().unwrap()), (10, 2, true));
    }

    #[tokio::test]
    async fn whoever_leaves_before_the_first_word_has_asked_all_the_same() {
        let (meter, mut entered) = meter().await;
        drop(meter);
        assert_eq!(counts(&entered.next().unwrap()), (10, 0, true));
    }

    #[tokio::test]
    async fn a_server_that_never_counts_is_counted_for() {
        let (mut meter, mut entered) = meter().await;
        meter.observe(&ChatEvent::Text("1234".to_owned()));
        meter.finished(&Usage::default());
        assert_eq!(counts(&entered.next().unwrap()), (10, 1, true));
    }
}
