use super::Queue;

impl Queue {
    /// Applies up to `most` events of Stripe that are due; answers how many were looked at. 0 also while another worker does.
    ///
    /// # Errors
    /// What the database answered; then none is applied.
    pub async fn apply_stripe_events(&self, most: u32, with_fetching: bool) -> sqlx::Result<u32> {
        let applied = sqlx::query_scalar!(
            r#"select billing.apply_events($1, $2) as "applied!""#,
            i32::try_from(most).unwrap_or(i32::MAX),
            with_fetching,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("apply_stripe_events", applied)
            .map(|applied| u32::try_from(applied).unwrap_or(0))
    }
}
