use super::{ExecutionKey, Queue};

impl Queue {
    /// An input that is too long for an offer, as the JSON text that it is. `None` when the execution is gone.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn offered_input(&self, key: ExecutionKey) -> sqlx::Result<Option<String>> {
        let input = sqlx::query_scalar!(
            "select queue.offered_input($1, $2)::text",
            key.tenant_id,
            key.execution_id,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("offered_input", input)
    }
}
