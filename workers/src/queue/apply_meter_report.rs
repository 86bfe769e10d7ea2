use serde_json::Value;

use super::{MeterReport, Queue};

impl Queue {
    /// Takes a report as Stripe has it, and marks the events that it names.
    ///
    /// # Errors
    /// What the database answered; then nothing is taken.
    pub async fn apply_meter_report(
        &self,
        report: &MeterReport,
        object: Option<Value>,
    ) -> sqlx::Result<bool> {
        let taken = sqlx::query_scalar!(
            r#"select billing.apply_meter_report($1, $2, $3) as "taken!""#,
            report.event,
            report.ticket,
            object,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("apply_meter_report", taken)
    }
}
