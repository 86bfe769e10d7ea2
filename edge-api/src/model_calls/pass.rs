//! Who may call which model, as the database said a moment ago, and what was set aside for them.

use std::sync::Arc;

use llm::Providers;
use serde_json::Value;
use uuid::Uuid;
use vault::Sealed;

use super::ModelCalls;
use super::own_key::OwnKey;
use super::purses::{Missing, Part, Purses, SetAside, Wanted};
use crate::database::CallerSession;
use crate::error::ApiError;
use crate::kept::Found;
use crate::request_id;
use crate::sealing::kept_key;

/// Somebody, with a model or an agent of a tenant. All claims of the caller are in it: a session that has lost its second factor is another caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PassKey {
    pub claims: Arc<str>,
    pub tenant_id: Uuid,
    /// As it was asked for.
    pub model: String,
}

/// They may, for a moment.
pub(super) struct Pass {
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent: Option<Agent>,
    /// With the tenant's own key, where it has one.
    pub providers: Providers,
    pub own_key_to: Option<String>,
}

/// An agent of the tenant that was asked for.
pub struct Agent {
    pub(super) id: Uuid,
    pub(super) model: String,
    pub(super) config: Value,
}

/// What was drawn for a call. Put back when it is dropped before the call has a meter.
pub(super) struct Drawn {
    purses: Arc<Purses>,
    tenant_id: Uuid,
    parts: Vec<Part>,
}

impl Drawn {
    pub fn into_parts(mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.purses.undo(self.tenant_id, &self.parts);
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
                    match calls.ask_now(&key, &session, missing, None).await {
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
        Ok(self.drawn(tenant_id, parts))
    }

    /// Asks the database whether they may, has set aside what is missing, and draws what is wanted of it.
    ///
    /// In a task of its own, which is seen through: what was set aside for a client that has left is there for the next one.
    pub(super) async fn ask(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        wanted: Wanted,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let (calls, key, session) = (self.clone(), key.clone(), session.clone());
        let asking = async move { calls.ask_now(&key, &session, missing, Some(wanted)).await };
        let task = match request_id::current() {
            Some(id) => tokio::spawn(request_id::scope(id, asking)),
            None => tokio::spawn(asking),
        };
        task.await
            .map_err(|error| ApiError::Internal(anyhow::Error::from(error)))?
    }

    async fn ask_now(
        &self,
        key: &PassKey,
        session: &CallerSession,
        missing: Missing,
        wanted: Option<Wanted>,
    ) -> Result<(Arc<Pass>, Option<Drawn>), ApiError> {
        let tenant_id = key.tenant_id;
        let mut transaction = session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"
            select c.user_id, c.api_key_id, c.agent_id, c.agent_model, c.agent_config,
                   c.generation, c.wrapped, c.master_key_id, c.nonce, c.ciphertext,
                   c.block, c.block_tokens as "block_tokens!", c.block_requests as "block_requests!"
              from edge.begin_model_calls($1, $2, $3, $4, $5, $6) c
            "#,
            tenant_id,
            key.model,
            as_bigint(missing.tokens),
            as_bigint(missing.more_tokens),
            as_integer(missing.requests),
            as_integer(missing.more_requests),
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
            is_spare: missing.more_tokens > 0,
            requests: row.block_requests.unsigned_abs(),
        };
        let parts = self.ledger.purses.put_in(tenant_id, aside, wanted);
        let drawn = parts.map(|parts| self.drawn(tenant_id, parts));

        let agent = row.agent_id.zip(row.agent_model);
        let agent = agent.map(|(id, model)| Agent {
            id,
            model,
            config: row.agent_config.unwrap_or_default(),
        });
        let model = agent.as_ref().map_or(&key.model, |agent| &agent.model);
        let provider = model.split_once('/').map_or("", |(provider, _)| provider);
        let sealed = (
            row.generation,
            row.wrapped,
            row.master_key_id,
            row.nonce,
            row.ciphertext,
        );
        let (providers, own_key_to) = match sealed {
            (Some(generation), Some(bytes), Some(master_key_id), Some(nonce), Some(ciphertext)) => {
                let (place, wrapped) = kept_key(tenant_id, generation, bytes, master_key_id);
                let sealed = Sealed { nonce, ciphertext };
                let own_key = OwnKey {
                    place,
                    wrapped,
                    sealed,
                };
                let vault = self.vault.as_ref();
                let providers = own_key.put_into(&self.providers, provider, vault).await?;
                (providers, Some(provider.to_owned()))
            }
            _ => (self.providers.clone(), None),
        };
        let pass = Arc::new(Pass {
            user_id: row.user_id,
            api_key_id: row.api_key_id,
            agent,
            providers,
            own_key_to,
        });
        self.passes.put(key.clone(), pass.clone());
        Ok((pass, drawn))
    }

    fn drawn(&self, tenant_id: Uuid, parts: Vec<Part>) -> Drawn {
        Drawn {
            purses: self.ledger.purses.clone(),
            tenant_id,
            parts,
        }
    }
}

/// More than fits is more than any plan has.
fn as_bigint(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}

fn as_integer(requests: u32) -> i32 {
    i32::try_from(requests).unwrap_or(i32::MAX / 4)
}
