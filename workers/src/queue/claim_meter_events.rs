use std::time::Duration;

use super::{Queue, interval};

/// Something that one of Stripe's meters is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterEvent {
    /// The same for every try: Stripe takes it once.
    pub identifier: String,
    /// Of this try, to record its outcome by.
    pub ticket: i64,
    pub event_name: String,
    pub customer: String,
    pub value: i64,
    /// In seconds since 1970.
    pub happened_at: i64,
}

impl Queue {
    /// Takes up to `most` events that are due. Each is to be sent within half of the lease; by its end it goes to others.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn claim_meter_events(
        &self,
        most: u32,
        livemode: bool,
        lease: Duration,
    ) -> sqlx::Result<Vec<MeterEvent>> {
        let claimed = sqlx::query_as!(
            MeterEvent,
            r#"select identifier as "identifier!", ticket as "ticket!", event_name as "event_name!", customer as "customer!", value as "value!",
                      extract(epoch from happened_at)::bigint as "happened_at!"
                 from billing.claim_meter_events($1, $2, $3)"#,
            i32::try_from(most).unwrap_or(i32::MAX),
            livemode,
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_meter_events", claimed)
    }
}
