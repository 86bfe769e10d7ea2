use super::Queue;

impl Queue {
    /// Suspends up to `most` tenants whose grace has ended, and forgets as many old events. Answers how many of both.
    ///
    /// # Errors
    /// What the database answered; then nothing is done.
    pub async fn sweep_billing(&self, most: u32) -> sqlx::Result<u32> {
        let swept = sqlx::query_scalar!(
            r#"select billing.sweep($1) as "swept!""#,
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("sweep_billing", swept)
            .map(|swept| u32::try_from(swept).unwrap_or(0))
    }
}
