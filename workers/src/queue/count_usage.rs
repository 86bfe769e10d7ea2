use super::Queue;

impl Queue {
    /// Counts the hours that are over of up to `most` tenants that are due; answers of how many.
    ///
    /// # Errors
    /// What the database answered; then nothing is counted.
    pub async fn count_usage(&self, most: u32) -> sqlx::Result<u32> {
        let counted = sqlx::query_scalar!(
            r#"select billing.count_usage($1) as "counted!""#,
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("count_usage", counted)
            .map(|counted| u32::try_from(counted).unwrap_or(0))
    }
}
