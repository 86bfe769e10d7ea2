use serde_json::Value;

use super::{Queue, ReconciliationPage};

impl Queue {
    /// Has a page compared with the mirror. False when another worker has taken the run over.
    ///
    /// # Errors
    /// What the database answered; then nothing is recorded.
    pub async fn record_reconciled(
        &self,
        page: &ReconciliationPage,
        objects: &Value,
        has_more: bool,
    ) -> sqlx::Result<bool> {
        let recorded = sqlx::query_scalar!(
            r#"select billing.record_reconciled($1, $2, $3, $4) as "is_recorded!""#,
            page.run,
            page.token,
            objects,
            has_more,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("record_reconciled", recorded)
    }
}
