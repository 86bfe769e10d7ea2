use std::time::Duration;

use uuid::Uuid;

use super::{Queue, interval};

/// A claim on an agent whose documents have pieces without a vector.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingClaim {
    pub tenant_id: Uuid,
    pub agent_id: Uuid,
    pub fencing_token: i64,
}

impl Queue {
    /// Takes up to `most` agents for `lease`, one of each tenant before a second of any.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim_embeddings(
        &self,
        most: usize,
        lease: Duration,
    ) -> sqlx::Result<Vec<EmbeddingClaim>> {
        let claims = sqlx::query_as!(
            EmbeddingClaim,
            r#"select tenant_id as "tenant_id!", agent_id as "agent_id!", fencing_token as "fencing_token!"
                 from queue.claim_embeddings($1, $2, $3)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_embeddings", claims)
    }
}
