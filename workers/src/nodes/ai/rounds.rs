//! The rounds of a step: for each, tokens are set aside, the model is asked, and what that took is written down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agents::Model;
use llm::{ChatRequest, Completion, LlmError, Providers};
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::usage::{self, Payer};
use super::{error, own_keys};
use crate::backoff::Backoff;
use crate::nodes::{Call, Effects, Failure, Redaction, Reserved, Stopped, Success};
use crate::queue::{self, Agent, LlmCall, Queue, Round};

const MOST_TRIES: usize = 5;

/// Asks a model for one step.
pub(super) struct Rounds<'a> {
    world: &'a Effects,
    call: &'a Call,
    agent: Option<(Uuid, i32)>,
    listing: Option<Uuid>,
    /// When the whole step has to be done.
    deadline: Instant,
    reserved: Reserved,
    /// What is set aside for the round that was begun last.
    reservation: Option<Uuid>,
    /// With which that round is called.
    own_keys: BTreeMap<String, SecretString>,
    /// Each round's, since a key may be set anew between two.
    redactions: Vec<Redaction>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        world: &'a Effects,
        call: &'a Call,
        agent: Option<&Agent>,
        timeout: Duration,
        reserved: Reserved,
    ) -> Self {
        Self {
            world,
            call,
            agent: agent
                .filter(|agent| !agent.is_listed)
                .map(|agent| (agent.id, agent.version)),
            listing: agent.filter(|agent| agent.is_listed).map(|agent| agent.id),
            deadline: Instant::now() + timeout,
            reserved,
            reservation: None,
            own_keys: BTreeMap::new(),
            redactions: Vec::new(),
        }
    }

    pub(super) fn usage_of(&self, completion: &Completion, round: u32) -> Value {
        let payer = self.payer(&completion.model);
        usage::to_json(&completion.model, &completion.usage, payer, round)
    }

    /// The other side may send back what it was sent.
    pub(super) fn redact(&self, result: Result<Success, Failure>) -> Result<Success, Failure> {
        self.redactions
            .iter()
            .fold(result, |result, redaction| match result {
                Ok(mut success) => {
                    redaction.value(&mut success.output);
                    Ok(success)
                }
                Err(mut failure) => {
                    failure.message = redaction.text(&failure.message).into_owned();
                    if let Some(details) = &mut failure.details {
                        redaction.value(details);
                    }
                    Err(failure)
                }
            })
    }

    fn payer(&self, model: &str) -> Payer {
        Payer {
            agent: self.agent,
            listing: self.listing,
            has_own_key: own_keys::provider_of(model)
                .is_some_and(|name| self.own_keys.contains_key(name)),
        }
    }

    /// Nobody listens any more when the execution is being let go.
    fn say_reserved(&self, reservation: Option<Uuid>) {
        let (place, attempt) = (self.call.place, self.call.attempt);
        let _ = self.reserved.sender.send((place, attempt, reservation));
    }

    async fn prepare(&mut self, request: &ChatRequest) -> Result<(), Stopped> {
        let (queue, claim) = (&self.world.queue, self.call.claim);
        let models: Vec<String> = std::iter::once(&request.model)
            .chain(&request.fallback_models)
            .cloned()
            .collect();
        let expected = usage::expected(request, self.agent.map(|(id, _)| id), &models);
        let LlmCall {
            reservation,
            own_keys,
        } = match queue.prepare_llm_call(claim, expected).await {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return Err(Stopped::ClaimLost),
            Err(error) => {
                return Err(match queue::refusal(&error) {
                    Some(refusal) => Failure::refused(refusal).into(),
                    None => Failure::database("set tokens aside", &error).into(),
                });
            }
        };
        self.reservation = Some(reservation);
        self.say_reserved(Some(reservation));
        self.own_keys = self.world.secrets.provider_keys(claim, &own_keys).await?;
        if !self.own_keys.is_empty() {
            let redaction = Redaction::of(&self.own_keys, &Value::Null, &Value::Null);
            self.redactions.push(redaction);
        }
        Ok(())
    }
}

impl Model for Rounds<'_> {
    type Error = Stopped;

    async fn answer(&mut self, round: u32, request: &ChatRequest) -> Result<Completion, Stopped> {
        self.prepare(request).await?;
        let mut request = request.clone();
        let left = self.deadline.saturating_duration_since(Instant::now());
        request.timeouts.total = left;
        request.timeouts.first_token = left;
        complete(&self.world.providers, &self.own_keys, &request)
            .await
            .map_err(|failed| error::failure(&failed, self.payer(&failed.model), round).into())
    }

    async fn goes_on(&mut self, round: u32, completion: &Completion) -> Result<(), Stopped> {
        let Some(reservation) = self.reservation.take() else {
            return Ok(());
        };
        let usage = self.usage_of(completion, round);
        let of_round = Round::of(self.call, reservation, usage.clone());
        // From here on it is not the step's to give back; and it is written down although the step be stopped at this moment.
        self.say_reserved(None);
        let written = tokio::spawn(write_down(self.world.queue.clone(), of_round)).await;
        if matches!(written, Ok(true)) {
            return Ok(());
        }
        // The record of the step says it then, under the same key.
        self.say_reserved(Some(reservation));
        let mut failure = Failure::new(
            "database_unavailable",
            "the worker could not write down what a round took",
        )
        .retryable(true);
        failure.usage = Some(Box::new(usage));
        Err(failure.into())
    }
}

/// Whether it is.
async fn write_down(queue: Queue, round: Round) -> bool {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    for _ in 0..MOST_TRIES {
        match queue.record_round(&round).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, "cannot write down what a round took"),
        }
        tokio::time::sleep(backoff.wait(rand::random())).await;
    }
    false
}

async fn complete(
    providers: &Providers,
    keys: &BTreeMap<String, SecretString>,
    request: &ChatRequest,
) -> Result<Completion, LlmError> {
    if keys.is_empty() {
        return providers.complete(request).await;
    }
    own_keys::with_keys(providers, keys)?
        .complete(request)
        .await
}
