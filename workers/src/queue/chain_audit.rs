use super::Queue;

impl Queue {
    /// Chains up to `most` entries of the audit log; answers how many. 0 also while another worker chains.
    ///
    /// # Errors
    /// What the database answered; then none is chained.
    pub async fn chain_audit(&self, most: u32) -> sqlx::Result<u32> {
        let chained = sqlx::query_scalar!(
            r#"select queue.chain_audit($1) as "chained!""#,
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("chain_audit", chained)
            .map(|chained| u32::try_from(chained).unwrap_or(0))
    }
}
