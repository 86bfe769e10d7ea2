use super::{DomainCheck, Queue};

impl Queue {
    /// Records what a check found: the domain is the tenant's, or why that does not show. `false` when the lease was lost: nothing is written then.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn record_domain_check(
        &self,
        check: &DomainCheck,
        found: Result<(), &str>,
    ) -> sqlx::Result<bool> {
        let recorded = sqlx::query_scalar!(
            r#"select queue.record_domain_check($1, $2, $3, $4, $5) as "recorded!""#,
            check.tenant_id,
            check.id,
            check.fencing_token,
            found.is_ok(),
            found.err(),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("record_domain_check", recorded)
    }
}
