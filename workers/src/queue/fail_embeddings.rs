use std::time::Duration;

use serde_json::Value;

use super::{EmbeddingBatch, EmbeddingClaim, Queue, interval};

/// What is to become of texts that have no vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingOutcome {
    /// The same call may succeed later.
    Later,
    /// The model does not take some of them.
    Refused,
    /// No call would do.
    Failed,
}

impl EmbeddingOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Why a batch has no vectors.
#[derive(Debug, Clone)]
pub struct EmbeddingFailure {
    pub outcome: EmbeddingOutcome,
    /// For the members of the tenant.
    pub why: String,
    pub retry_after: Option<Duration>,
    /// What the call took all the same.
    pub usage: Option<Value>,
}

impl Queue {
    /// Writes down that a batch has no vectors. Saying it again changes nothing. False when the claim was no longer good.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn fail_embeddings(
        &self,
        claim: EmbeddingClaim,
        batch: &EmbeddingBatch,
        failure: &EmbeddingFailure,
    ) -> sqlx::Result<bool> {
        let recorded = sqlx::query_scalar!(
            r#"select queue.fail_embeddings($1, $2, $3, $4, $5, $6, $7, $8, $9) as "recorded!""#,
            claim.tenant_id,
            claim.agent_id,
            claim.fencing_token,
            batch.reservation,
            failure.usage,
            failure.outcome.as_str(),
            &failure.why,
            failure.retry_after.map(interval) as _,
            &batch.digests,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("fail_embeddings", recorded)
    }
}
