use uuid::Uuid;

use super::{Claim, Queue};

impl Queue {
    /// Sets tokens aside before an LLM call; the step's record settles them. `None` when the claim is no longer good.
    ///
    /// # Errors
    /// A [refusal](super::refusal) when the plan has too few left; otherwise what the database answered.
    pub async fn reserve_tokens(&self, claim: Claim, amount: u64) -> sqlx::Result<Option<Uuid>> {
        let reservation = sqlx::query_scalar!(
            "select queue.reserve_tokens($1, $2, $3, $4)",
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            i64::try_from(amount).unwrap_or(i64::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("reserve_tokens", reservation)
    }
}
