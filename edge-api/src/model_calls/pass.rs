//! Who may call which model, as the database said a moment ago, and what was set aside for them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use llm::Providers;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::ModelCalls;
use super::ended_call::Cap;
use super::ledger::Ledger;
use super::own_keys::SealedKeys;
use super::purses::{Missing, Part, SetAside, Wanted};
use super::rate_limits::{MinuteLimit, RateLimits};
use crate::database::CallerSession;
use crate::error::ApiError;
use crate::kept::Found;
use crate::request_id;

/// Somebody, with a model or an agent of a tenant. All claims of the caller are in it: a session that has lost its second factor is another caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PassKey {
    pub claims: Arc<str>,
    pub tenant_id: Uuid,
    /// As it was asked for.
    pub model: String,
    /// Those that are asked when it fails, where the request names some.
    pub other_models: Vec<String>,
}

/// They may, for a moment.
pub(super) struct Pass {
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent: Option<Agent>,
    /// With the tenant's own keys, where it has some.
    pub providers: Providers,
    pub own_keys_to: Arc<[String]>,
    /// A spending cap holds: the database is asked for each call.
    pub is_capped: bool,
    pub limits: RateLimits,
}

/// An agent of the tenant that was asked for.
pub struct Agent {
    pub(super) id: Uuid,
    pub(super) model: String,
    pub(super) config: Value,
}

/// What a call will probably take.
#[derive(Clone, Copy)]
pub struct ProbableCall {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl ProbableCall {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            tokens: self.input_tokens.saturating_add(self.output_tokens),
            requests: 1,
        }
    }
}

/// What was drawn for a call, and set aside of its caps. Given back when it is dropped before the call has a meter.
pub(super) struct Drawn {
    ledger: Ledger,
    tenant_id: Uuid,
    parts: Vec<Part>,
    caps: Vec<Cap>,
}

impl Drawn {
    pub fn into_parts(mut self) -> (Vec<Part>, Vec<Cap>) {
        let parts = std::mem::take(&mut self.parts);
        (parts, std::mem::take(&mut self.caps))
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.ledger.purses.undo(self.tenant_id, &self.parts);
        if !self.caps.is_empty() {
            let caps = std::mem::take(&mut self.caps);
            self.ledger.give_back(self.tenant_id, caps);
        }
    }
}

impl ModelCalls {
    /// The pass, if it is known. When it is getting old it is renewed meanwhile, and what is set aside filled up.
    pub(super) fn known(&self, key: &PassKey, session: &CallerSession) -> Option<Arc<Pass>> {
        match self.passes.get(key) {
            Found::No => None,
            Found::Good(pass) => Some(pass),
            Found::Aging(pass) => {
                let (calls, key, session) = (self.clone(), key.clone(), session.clone());
                tokio::spawn(async move {
                    let missing = calls.ledger.purses.runs_low(key.tenant_id);
                    match calls.ask_beside_others(&key, &session, missing, None).await {
                        // For as long as it is good, and then whoever asks is told.
                        Ok(_) | Err(ApiError::Unavailable(_)) => {}
                        Err(_) => calls.passes.forget(&key),
                    }
                });
                Some(pass)
            }
        }
    }

    pub(super) fn draw(&self, tenant_id: Uuid, wanted: Wanted) -> Result<Drawn, Missing> {
        let parts = self.ledger.purses.draw(tenant_id, wanted)?;
        Ok(self.drawn(tenant_id, parts, Vec::new()))
    }

    /// Asks the database whether they may, has set aside what is missing, and draws what is wanted of it.
    ///
    /// In a task of its own, which is seen through: what was set aside for a client that has left is there for the next one.
    pub(super) async fn ask(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: ProbableCall,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let (calls, key, session) = (self.clone(), key.clone(), session.clone());
        let asking = async move {
            let answer = calls
                .ask_beside_others(&key, &session, missing, Some(call))
                .await;
            if !answer.as_ref().is_err_and(is_about_what_is_left) {
                return answer;
            }
            // What others have had set aside beyond their wants may be enough. When all of them have put it in, the answer is final.
            let asking = calls.ledger.purses.asking(key.tenant_id);
            let _alone = asking.write().await;
            let missing = calls
                .ledger
                .purses
                .missing(key.tenant_id, call.wanted())
                .without_more();
            calls.ask_now(&key, &session, missing, Some(call)).await
        };
        let task = match request_id::current() {
            Some(id) => tokio::spawn(request_id::scope(id, asking)),
            None => tokio::spawn(asking),
        };
        task.await
            .map_err(|error| ApiError::Internal(anyhow::Error::from(error)))?
    }

    async fn ask_beside_others(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: Option<ProbableCall>,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let asking = self.ledger.purses.asking(key.tenant_id);
        let _one_of_many = asking.read().await;
        self.ask_now(key, session, missing, call).await
    }

    async fn ask_now(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: Option<ProbableCall>,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let tenant_id = key.tenant_id;
        let mut transaction = session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"
            select c.user_id, c.api_key_id, c.agent_id, c.agent_model, c.agent_config,
                   c.generation, c.wrapped, c.master_key_id, c.key_providers, c.nonces, c.ciphertexts,
                   c.block, c.block_tokens as "block_tokens!", c.block_seconds as "block_seconds!", c.block_requests as "block_requests!",
                   c.is_capped as "is_capped!", c.caps as "caps: Json<Vec<Cap>>",
                   c.requests_limit, c.requests_remaining, c.tokens_limit, c.tokens_remaining
              from edge.begin_model_calls($1, $2, $3, $4, $5, $6, $7, $8, $9) c
            "#,
            tenant_id,
            key.model,
            as_bigint(missing.tokens),
            as_bigint(missing.more_tokens),
            as_integer(missing.requests),
            as_integer(missing.more_requests),
            &key.other_models,
            call.map(|call| as_bigint(call.input_tokens)),
            call.map(|call| as_bigint(call.output_tokens)),
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;

        let block = row.block.map(|id| Part {
            id,
            tokens: row.block_tokens.unsigned_abs(),
        });
        if let Some(block) = &block {
            self.ledger.holds(tenant_id, block);
        }
        let aside = SetAside {
            block,
            good_for: Duration::from_secs(row.block_seconds.unsigned_abs().into()),
            is_spare: missing.more_tokens > 0,
            requests: row.block_requests.unsigned_abs(),
        };
        let wanted = call.as_ref().map(ProbableCall::wanted);
        let parts = self.ledger.purses.put_in(tenant_id, aside, wanted);
        let caps = row.caps.map_or_else(Vec::new, |caps| caps.0);
        let drawn = match parts {
            Some(parts) => Some(self.drawn(tenant_id, parts, caps)),
            None => {
                self.ledger.give_back(tenant_id, caps);
                None
            }
        };

        let agent = row.agent_id.zip(row.agent_model);
        let agent = agent.map(|(id, model)| Agent {
            id,
            model,
            config: row.agent_config.unwrap_or_default(),
        });
        let sealed = SealedKeys {
            generation: row.generation,
            wrapped: row.wrapped,
            master_key_id: row.master_key_id,
            providers: row.key_providers.unwrap_or_default(),
            nonces: row.nonces.unwrap_or_default(),
            ciphertexts: row.ciphertexts.unwrap_or_default(),
        };
        let (providers, own_keys_to) = sealed
            .put_into(&self.providers, tenant_id, self.vault.as_ref())
            .await?;
        let pass = Arc::new(Pass {
            user_id: row.user_id,
            api_key_id: row.api_key_id,
            agent,
            providers,
            own_keys_to,
            is_capped: row.is_capped,
            limits: RateLimits {
                requests: MinuteLimit::of(row.requests_limit, row.requests_remaining),
                tokens: MinuteLimit::of(row.tokens_limit, row.tokens_remaining),
            },
        });
        self.passes.put(key.clone(), pass.clone());
        Ok((pass, drawn))
    }

    fn drawn(&self, tenant_id: Uuid, parts: Vec<Part>, caps: Vec<Cap>) -> Drawn {
        Drawn {
            ledger: self.ledger.clone(),
            tenant_id,
            parts,
            caps,
        }
    }
}

/// The plan, a cap or a minute has no more.
fn is_about_what_is_left(error: &ApiError) -> bool {
    matches!(
        error.status(),
        StatusCode::PAYMENT_REQUIRED | StatusCode::TOO_MANY_REQUESTS
    )
}

/// More than fits is more than any plan has.
fn as_bigint(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}

fn as_integer(requests: u32) -> i32 {
    i32::try_from(requests).unwrap_or(i32::MAX / 4)
}
