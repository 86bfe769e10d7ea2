use super::Queue;

impl Queue {
    /// Makes the months to come, and deletes up to `batch` executions that are older than their plan keeps them. Answers how many.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn tend_history(&self, batch: u32) -> sqlx::Result<u32> {
        let deleted = sqlx::query_scalar!(
            r#"select queue.tend_history($1) as "deleted!""#,
            i32::try_from(batch).unwrap_or(i32::MAX)
        )
        .fetch_one(&self.pool)
        .await;
        let deleted = self.note("tend_history", deleted)?;
        Ok(deleted.unsigned_abs())
    }
}
