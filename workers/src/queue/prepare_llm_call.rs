use std::collections::BTreeSet;

use uuid::Uuid;

use super::secrets::{values, wrapped};
use super::{Claim, Queue, SealedSecrets};

/// What an LLM call begins with.
#[derive(Debug)]
pub struct LlmCall {
    /// Of tokens; the step's record settles it.
    pub reservation: Uuid,
    /// The tenant's own keys to the providers that it has some for, by provider.
    pub own_keys: SealedSecrets,
}

impl Queue {
    /// Sets tokens aside, and reads which of these providers are called with a key of the tenant's own. `None` when the claim is no longer
    /// good.
    ///
    /// # Errors
    /// A [refusal](super::refusal) when the plan has too few tokens left; otherwise what the database answered.
    pub async fn prepare_llm_call(
        &self,
        claim: Claim,
        tokens: u64,
        providers: &BTreeSet<&str>,
    ) -> sqlx::Result<Option<LlmCall>> {
        let providers: Vec<String> = providers.iter().map(|&name| name.to_owned()).collect();
        let found = sqlx::query!(
            r#"select reservation as "reservation!", generation, wrapped, master_key_id, names as "names!", nonces as "nonces!",
                      ciphertexts as "ciphertexts!"
                 from queue.prepare_llm_call($1, $2, $3, $4, $5)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            i64::try_from(tokens).unwrap_or(i64::MAX),
            &providers,
        )
        .fetch_optional(&self.pool)
        .await;
        let found = self.note("prepare_llm_call", found)?;
        Ok(found.map(|row| LlmCall {
            reservation: row.reservation,
            own_keys: SealedSecrets {
                key: wrapped(claim, row.generation, row.wrapped, row.master_key_id),
                values: values(row.names, row.nonces, row.ciphertexts).collect(),
            },
        }))
    }
}
