use std::time::Duration;

use super::{Queue, interval};

/// A report of errors that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterReport {
    /// Stripe's event.
    pub event: String,
    pub ticket: i64,
}

impl Queue {
    /// Takes up to `most` reports that Stripe has told of; who says nothing within `lease` leaves them to others.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn claim_meter_reports(
        &self,
        most: u32,
        livemode: bool,
        lease: Duration,
    ) -> sqlx::Result<Vec<MeterReport>> {
        let claimed = sqlx::query_as!(
            MeterReport,
            r#"select event as "event!", ticket as "ticket!" from billing.claim_meter_reports($1, $2, $3)"#,
            i32::try_from(most).unwrap_or(i32::MAX),
            livemode,
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_meter_reports", claimed)
    }
}
