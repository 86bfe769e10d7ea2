//! Asking the database whether somebody may call, and having set aside what calls take.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::ModelCalls;
use super::agent::Agent;
use super::allowance::{CountedInLimit, Limit, Wanted};
use super::block::Part;
use super::ended_call::Cap;
use super::own_keys::SealedKeys;
use super::pass::{Drawn, Pass, PassKey, ProbableCall};
use super::purses::{Missing, SetAside};
use super::rate_limits::{MinuteLimit, RateLimits};
use crate::database::CallerSession;
use crate::error::{ApiError, Refusal};
use crate::kept::Found;
use crate::request_id;

/// The call that the database is asked for.
#[derive(Clone, Copy)]
pub(super) struct ForCall {
    pub probably: ProbableCall,
    /// Of its own, that are not counted yet: one, or none once it is.
    pub requests: u32,
}

impl ForCall {
    fn wanted(&self) -> Wanted {
        self.probably.wanted(self.requests)
    }
}

/// What became of what a call wanted.
enum Outcome {
    Drawn(Drawn),
    /// Others have drawn it meanwhile; or it was not asked for a call.
    NotEnough,
    /// With what is to be asked for should it be asked for again: its request may be counted.
    Refused(ApiError, Option<ForCall>),
}

/// What the database says of a limit.
#[derive(Debug, Deserialize)]
struct LimitOfCall {
    #[serde(flatten)]
    counted: CountedInLimit,
    requests_limit: Option<i64>,
    requests_remaining: Option<i64>,
    tokens_limit: Option<i64>,
    tokens_remaining: Option<i64>,
}

impl LimitOfCall {
    fn limit(&self) -> Limit {
        Limit {
            id: self.counted.id,
            limits_requests: self.requests_limit.is_some(),
            limits_tokens: self.tokens_limit.is_some(),
        }
    }

    fn left(&self) -> RateLimits {
        RateLimits {
            requests: MinuteLimit::of(self.requests_limit, self.requests_remaining),
            tokens: MinuteLimit::of(self.tokens_limit, self.tokens_remaining),
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
                let aging = pass.clone();
                let (calls, key, session) = (self.clone(), key.clone(), session.clone());
                tokio::spawn(async move {
                    let missing = calls.ledger.purses.runs_low(key.tenant_id, &aging.limits);
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

    pub(super) fn draw(
        &self,
        tenant_id: Uuid,
        wanted: Wanted,
        limits: &Arc<[Limit]>,
    ) -> Result<Drawn, Missing> {
        let parts = self.ledger.purses.draw(tenant_id, wanted, limits)?;
        Ok(Drawn::new(
            &self.ledger,
            tenant_id,
            parts,
            limits.clone(),
            Vec::new(),
        ))
    }

    /// Asks the database whether they may, has set aside what is missing, and draws what is wanted of it.
    ///
    /// In a task of its own, which is seen through: what was set aside for a client that has left is there for the next one.
    pub(super) async fn ask(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: ForCall,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let (calls, key, session) = (self.clone(), key.clone(), session.clone());
        let asking = async move { calls.ask_twice(&key, &session, missing, call).await };
        let task = match request_id::current() {
            Some(id) => tokio::spawn(request_id::scope(id, asking)),
            None => tokio::spawn(asking),
        };
        task.await
            .map_err(|error| ApiError::Internal(anyhow::Error::from(error)))?
    }

    /// What others have had set aside beyond their wants may be enough. When all of them have put it in, a refusal is final.
    async fn ask_twice(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: ForCall,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let first = self
            .ask_beside_others(key, session, missing, Some(call))
            .await;
        let (call, limits) = match first {
            Ok((pass, Outcome::Drawn(drawn))) => return Ok((pass, Some(drawn))),
            Ok((pass, Outcome::NotEnough)) => return Ok((pass, None)),
            Ok((pass, Outcome::Refused(_, counted))) => {
                (counted.unwrap_or(call), pass.limits.clone())
            }
            Err(error) if is_about_the_minute(&error) => (call, self.limits_of(key)),
            Err(error) => return Err(error),
        };
        let purses = &self.ledger.purses;
        let asking = purses.asking(key.tenant_id);
        let _alone = asking.write().await;
        let missing = purses
            .missing(key.tenant_id, call.wanted(), &limits)
            .without_more();
        match self.ask_now(key, session, missing, Some(call)).await? {
            (pass, Outcome::Drawn(drawn)) => Ok((pass, Some(drawn))),
            (pass, Outcome::NotEnough) => Ok((pass, None)),
            (_, Outcome::Refused(error, _)) => Err(error),
        }
    }

    fn limits_of(&self, key: &PassKey) -> Arc<[Limit]> {
        match self.passes.get(key) {
            Found::Good(pass) | Found::Aging(pass) => pass.limits.clone(),
            Found::No => Arc::from([]),
        }
    }

    async fn ask_beside_others(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: Option<ForCall>,
    ) -> Result<(Arc<Pass>, Outcome), ApiError> {
        let asking = self.ledger.purses.asking(key.tenant_id);
        let _one_of_many = asking.read().await;
        self.ask_now(key, session, missing, call).await
    }

    async fn ask_now(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        call: Option<ForCall>,
    ) -> Result<(Arc<Pass>, Outcome), ApiError> {
        let tenant_id = key.tenant_id;
        let mut transaction = session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"
            select c.user_id, c.api_key_id, c.agent_id, c.agent_model, c.agent_config,
                   edge.version_of_agent($1, c.agent_id, c.agent_model, c.agent_config) as agent_version,
                   c.generation, c.wrapped, c.master_key_id, c.key_providers, c.nonces, c.ciphertexts,
                   c.block, c.block_tokens as "block_tokens!", c.block_seconds as "block_seconds!", c.block_requests as "block_requests!",
                   c.is_capped as "is_capped!", c.caps as "caps: Json<Vec<Cap>>",
                   c.requests_limit, c.requests_remaining, c.tokens_limit, c.tokens_remaining,
                   c.limits as "limits!: Json<Vec<LimitOfCall>>", c.refusal_message, c.refusal_detail,
                   k.answer_cache_seconds, k.content_kept_days
              from edge.begin_model_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) c, edge.kept_of_calls($1) k
            "#,
            tenant_id,
            key.model,
            as_bigint(missing.tokens),
            as_bigint(missing.more_tokens),
            as_integer(missing.requests),
            as_integer(missing.more_requests),
            &key.other_models,
            call.map(|call| as_bigint(call.probably.input_tokens)),
            call.map(|call| as_bigint(call.probably.output_tokens)),
            call.map_or(0, |call| as_integer(call.requests)),
            Json(&missing.of_limits) as _,
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
        let of_calls = row.limits.0;
        let limits: Arc<[Limit]> = of_calls.iter().map(LimitOfCall::limit).collect();
        let aside = SetAside {
            block,
            good_for: Duration::from_secs(row.block_seconds.unsigned_abs().into()),
            is_spare: missing.more_tokens > 0,
            requests: row.block_requests.unsigned_abs(),
            of_limits: of_calls.iter().map(|one| one.counted).collect(),
        };
        let caps = row.caps.map_or_else(Vec::new, |caps| caps.0);
        let purses = &self.ledger.purses;
        let refusal = row.refusal_message.zip(row.refusal_detail);
        let outcome = match (refusal, call) {
            (Some((message, detail)), call) => {
                let refusal = Refusal::raised(&message, &detail);
                let refusal = refusal.ok_or_else(|| {
                    ApiError::Internal(anyhow::anyhow!("a refusal cannot be read: {message}"))
                })?;
                // Who is refused has asked as well.
                let asked = call.map(|call| Wanted {
                    tokens: 0,
                    ..call.wanted()
                });
                let is_counted = purses.put_in(tenant_id, &aside, asked, &limits).is_some();
                let counted = call.filter(|_| is_counted).map(|call| ForCall {
                    requests: 0,
                    ..call
                });
                Outcome::Refused(refusal.into(), counted)
            }
            (None, call) => {
                let wanted = call.as_ref().map(ForCall::wanted);
                match purses.put_in(tenant_id, &aside, wanted, &limits) {
                    Some(parts) => Outcome::Drawn(Drawn::new(
                        &self.ledger,
                        tenant_id,
                        parts,
                        limits.clone(),
                        caps,
                    )),
                    None => {
                        self.ledger.give_back(tenant_id, caps);
                        Outcome::NotEnough
                    }
                }
            }
        };

        let agent = row.agent_id.zip(row.agent_model);
        let agent = agent.map(|(id, model)| {
            let config = row.agent_config.unwrap_or_default();
            Agent::new(id, row.agent_version, model, config)
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
            keeps_answers: row.answer_cache_seconds.is_some(),
            keeps_contents: row.content_kept_days.is_some(),
            limits,
            left: (
                RateLimits {
                    requests: MinuteLimit::of(row.requests_limit, row.requests_remaining),
                    tokens: MinuteLimit::of(row.tokens_limit, row.tokens_remaining),
                },
                of_calls.iter().map(LimitOfCall::left).collect(),
            ),
        });
        self.passes.put(key.clone(), pass.clone());
        Ok((pass, outcome))
    }
}

/// A minute has no more requests: nothing was counted.
fn is_about_the_minute(error: &ApiError) -> bool {
    error.status() == StatusCode::TOO_MANY_REQUESTS
}

/// More than fits is more than any plan has.
fn as_bigint(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}

fn as_integer(requests: u32) -> i32 {
    i32::try_from(requests).unwrap_or(i32::MAX / 4)
}
