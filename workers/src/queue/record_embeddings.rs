use super::{EmbeddingBatch, EmbeddingClaim, Queue};
use crate::embedding::Embedded;

impl Queue {
    /// Keeps the vectors of a batch, and writes down what they took. Saying it again changes nothing. False when the claim was no longer good.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn record_embeddings(
        &self,
        claim: EmbeddingClaim,
        batch: &EmbeddingBatch,
        embedded: &Embedded,
    ) -> sqlx::Result<bool> {
        let recorded = sqlx::query_scalar!(
            r#"select queue.record_embeddings($1, $2, $3, $4, $5, $6, $7) as "recorded!""#,
            claim.tenant_id,
            claim.agent_id,
            claim.fencing_token,
            batch.reservation,
            &embedded.usage,
            &batch.digests,
            &embedded.vectors,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("record_embeddings", recorded)
    }
}
