use super::Queue;

impl Queue {
    /// Looks at the limits of the next `most` tenants, and has mails promised to those who ought to know. Answers at how many it looked.
    ///
    /// # Errors
    /// What the database answered; then nothing is promised.
    pub async fn warn_of_limits(&self, most: u32) -> sqlx::Result<u32> {
        let looked_at = sqlx::query_scalar!(
            r#"select billing.warn_of_limits($1) as "looked_at!""#,
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("warn_of_limits", looked_at)
            .map(|looked_at| u32::try_from(looked_at).unwrap_or(0))
    }
}
