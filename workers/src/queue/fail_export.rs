use super::{ExportKey, Queue};

impl Queue {
    /// Gives an export up; `error` is for the people of the tenant.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn fail_export(&self, export: ExportKey, error: &str) -> sqlx::Result<()> {
        let failed = sqlx::query!(
            "select queue.fail_export($1, $2, $3)",
            export.tenant_id,
            export.id,
            error,
        )
        .execute(&self.pool)
        .await;
        self.note("fail_export", failed).map(drop)
    }
}
