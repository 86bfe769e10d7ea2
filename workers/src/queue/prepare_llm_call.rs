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

/// What a call will probably take, at most, and of whom.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub agent: Option<Uuid>,
    /// Those that may answer, as `provider/model`.
    pub models: &'a [String],
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Queue {
    /// Sets tokens aside, and what they will cost where a spending cap holds; and reads which of the models' providers are called with a key of
    /// the tenant's own. `None` when the claim is no longer good.
    ///
    /// # Errors
    /// A [refusal](super::refusal) when the plan has too few tokens left, or a cap too little; otherwise what the database answered.
    pub async fn prepare_llm_call(
        &self,
        claim: Claim,
        expected: Expected<'_>,
    ) -> sqlx::Result<Option<LlmCall>> {
        let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 4);
        let found = sqlx::query!(
            r#"select reservation as "reservation!", generation, wrapped, master_key_id, names as "names!", nonces as "nonces!",
                      ciphertexts as "ciphertexts!"
                 from queue.prepare_llm_call($1, $2, $3, $4, $5, $6, $7)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            expected.agent,
            expected.models,
            tokens(expected.input_tokens),
            tokens(expected.output_tokens),
        )
        .fetch_optional(&self.pool)
        .await;
        let found = self.note("prepare_llm_call", found)?;
        Ok(found.map(|row| LlmCall {
            reservation: row.reservation,
            own_keys: SealedSecrets {
                key: wrapped(
                    claim.key.tenant_id,
                    row.generation,
                    row.wrapped,
                    row.master_key_id,
                ),
                values: values(row.names, row.nonces, row.ciphertexts).collect(),
            },
        }))
    }
}
