//! The rounds of one conversation: each is admitted, made and paid as any call is.

use std::sync::Arc;
use std::time::Duration;

use agents::Model;
use axum::http::StatusCode;
use llm::{ChatRequest, Completion, tokens_of_request};
use uuid::Uuid;

use super::begin::{Admitted, Asked, USUAL_OUTPUT};
use super::captured_call::CapturedCall;
use super::listening::Listening;
use super::pass::{Pass, ProbableCall};
use super::telling::Telling;
use super::{Agent, ModelCalls};
use crate::database::CallerSession;
use crate::error::ApiError;

/// What the rounds have said is one text, in paragraphs.
pub(super) const BETWEEN: &str = "\n\n";
/// How long what a round has cost may take to be known, before the next one asks.
const WRITTEN: Duration = Duration::from_secs(5);

pub(super) struct Rounds {
    pub calls: ModelCalls,
    pub session: CallerSession,
    pub tenant_id: Uuid,
    /// The agent, as it was asked for.
    pub model: String,
    pub other_models: Vec<String>,
    /// With which the first round was admitted: the agent as it is for all of this conversation.
    pub pass: Arc<Pass>,
    /// The first round's id.
    pub id: Uuid,
    pub first: Option<Box<Admitted>>,
    /// None: the answer is wanted whole.
    pub telling: Option<Telling>,
    /// Beside the calls of tools.
    pub said: Vec<String>,
}

impl Rounds {
    /// The text of all rounds.
    pub fn with_what_was_said(&self, last: &str) -> String {
        let said = self.said.iter().map(String::as_str);
        let texts: Vec<&str> = said.chain([last]).filter(|text| !text.is_empty()).collect();
        texts.join(BETWEEN)
    }

    async fn admit(&self, round: u32, request: &ChatRequest) -> Result<Admitted, ApiError> {
        if self.pass.is_capped {
            // A cap holds to the millionth: what the round before did not use of what was set aside for it is to be there again.
            self.calls.ledger.flush(WRITTEN).await;
        }
        let asked = Asked {
            session: &self.session,
            tenant_id: self.tenant_id,
            model: &self.model,
            other_models: &self.other_models,
        };
        let probable = ProbableCall {
            input_tokens: tokens_of_request(request),
            output_tokens: request.max_tokens.unwrap_or(USUAL_OUTPUT).into(),
        };
        let reserved = self.calls.reserve(&asked, |_| probable).await?;
        // The tenant's own keys that came along are those to the agent's models as they are now.
        if !is_same(self.pass.agent.as_ref(), reserved.pass.agent.as_ref()) {
            return Err(ApiError::Agent {
                status: StatusCode::CONFLICT,
                code: "agent_changed",
                message: "the agent was given other models while it was being asked".to_owned(),
            });
        }
        Ok(self
            .calls
            .admitted(&asked, id_of(self.id, round), reserved, None, None))
    }
}

/// The rounds of a conversation have ids that follow each other: request and round are in the key that a round is counted under once.
fn id_of(first: Uuid, round: u32) -> Uuid {
    Uuid::from_u128(first.as_u128().wrapping_add(u128::from(round - 1)))
}

fn is_same(before: Option<&Agent>, now: Option<&Agent>) -> bool {
    let models = |agent: &Agent| {
        let others = agent.config.get("fallback_models").cloned();
        (agent.id, agent.model.clone(), others.unwrap_or_default())
    };
    before.map(models) == now.map(models)
}

impl Model for Rounds {
    type Error = ApiError;

    async fn answer(&mut self, round: u32, request: &ChatRequest) -> Result<Completion, ApiError> {
        let Admitted {
            meter, providers, ..
        } = match self.first.take() {
            Some(first) => *first,
            None => self.admit(round, request).await?,
        };
        let keeps = self.pass.keeps_contents;
        let question = keeps.then(|| CapturedCall::question(request));
        // When it is dropped at the latest, what this round took is in the ledger: before a tool is begun.
        let mut meter = meter.heard_by(Listening::for_those(None, question));
        if let Some(telling) = &mut self.telling {
            return telling.listen(round, request, &providers, &mut meter).await;
        }
        let completion = providers.complete(request).await;
        let completion = completion.map_err(|error| meter.failed(error))?;
        meter.answered(&completion);
        Ok(completion)
    }

    async fn goes_on(&mut self, _round: u32, completion: &Completion) -> Result<(), ApiError> {
        self.said.push(completion.text.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_an_id_of_its_own() {
        let first = Uuid::now_v7();
        assert_eq!(id_of(first, 1), first);
        assert!(id_of(first, 2) > first && id_of(first, 3) > id_of(first, 2));
    }
}
