use std::time::Duration;

use super::{Queue, ReconciliationPage, interval};

impl Queue {
    /// Has a page asked for again after so long, by whoever is there then.
    ///
    /// # Errors
    /// What the database answered; then it is asked for when the lease is over.
    pub async fn put_off_reconciliation(
        &self,
        page: &ReconciliationPage,
        wait: Duration,
        reason: &str,
    ) -> sqlx::Result<()> {
        let put_off = sqlx::query!(
            "select billing.put_off_reconciliation($1, $2, $3, $4)",
            page.run,
            page.token,
            interval(wait),
            reason,
        )
        .execute(&self.pool)
        .await;
        self.note("put_off_reconciliation", put_off).map(drop)
    }
}
