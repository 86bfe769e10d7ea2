use uuid::Uuid;

use super::secrets::{values, wrapped};
use super::{Claim, Queue, SealedSecrets};
use crate::embedding::EmbeddingModel;

/// What embedding a question begins with.
#[derive(Debug)]
pub struct QueryEmbedding {
    pub model: EmbeddingModel,
    /// Of tokens.
    pub reservation: Uuid,
    /// The tenant's own key to the model's provider, where it has one.
    pub own_keys: SealedSecrets,
}

impl Queue {
    /// Sets tokens aside to embed a question to an agent's documents. `None` when they have no vectors, or the claim is no longer good.
    ///
    /// # Errors
    /// A [refusal](super::refusal) when the plan has too few tokens left, or a cap too little; otherwise what the database answered.
    pub async fn prepare_query_embedding(
        &self,
        claim: Claim,
        agent: Uuid,
        input_tokens: u64,
    ) -> sqlx::Result<Option<QueryEmbedding>> {
        let found = sqlx::query!(
            r#"select model as "model!", dimensions as "dimensions!", reservation as "reservation!",
                      generation, wrapped, master_key_id, names as "names!", nonces as "nonces!", ciphertexts as "ciphertexts!"
                 from queue.prepare_query_embedding($1, $2, $3, $4, $5)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            agent,
            i64::try_from(input_tokens).unwrap_or(i64::MAX / 4),
        )
        .fetch_optional(&self.pool)
        .await;
        let found = self.note("prepare_query_embedding", found)?;
        Ok(found.map(|row| QueryEmbedding {
            model: EmbeddingModel::new(row.model, row.dimensions),
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
