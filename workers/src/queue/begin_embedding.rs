use uuid::Uuid;

use super::secrets::{values, wrapped};
use super::{EmbeddingClaim, Queue, SealedSecrets};
use crate::embedding::EmbeddingModel;

/// Texts for one call of a model.
#[derive(Debug)]
pub struct EmbeddingBatch {
    pub model: EmbeddingModel,
    pub texts: Vec<String>,
    /// SHA-256 of each text, by which the database knows it.
    pub digests: Vec<Vec<u8>>,
    /// Of tokens.
    pub reservation: Uuid,
    /// The tenant's own key to the model's provider, where it has one.
    pub own_keys: SealedSecrets,
}

impl Queue {
    /// The next texts of a claimed agent. `None` when the claim is no longer good, nothing is left, or the plan has no tokens for it now.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn begin_embedding(
        &self,
        claim: EmbeddingClaim,
    ) -> sqlx::Result<Option<EmbeddingBatch>> {
        let found = sqlx::query!(
            r#"select model as "model!", dimensions as "dimensions!", digests as "digests!", texts as "texts!", reservation as "reservation!",
                      generation, wrapped, master_key_id, names as "names!", nonces as "nonces!", ciphertexts as "ciphertexts!"
                 from queue.begin_embedding($1, $2, $3)"#,
            claim.tenant_id,
            claim.agent_id,
            claim.fencing_token,
        )
        .fetch_optional(&self.pool)
        .await;
        let found = self.note("begin_embedding", found)?;
        Ok(found.map(|row| EmbeddingBatch {
            model: EmbeddingModel::new(row.model, row.dimensions),
            texts: row.texts,
            digests: row.digests,
            reservation: row.reservation,
            own_keys: SealedSecrets {
                key: wrapped(
                    claim.tenant_id,
                    row.generation,
                    row.wrapped,
                    row.master_key_id,
                ),
                values: values(row.names, row.nonces, row.ciphertexts).collect(),
            },
        }))
    }
}
