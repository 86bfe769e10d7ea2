use std::time::Duration;

use uuid::Uuid;

use super::{Queue, interval};

/// A day of a customer, of which Stripe is to be asked what a meter came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterDay {
    pub tenant_id: Uuid,
    pub meter: String,
    /// Its id in Stripe.
    pub stripe_meter: String,
    pub customer: String,
    /// When it began, in seconds since 1970.
    pub day: i64,
    pub ticket: i64,
}

impl Queue {
    /// Takes up to `most` days of which Stripe is to be asked; who says nothing within `lease` leaves them to others.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn claim_meter_days(
        &self,
        most: u32,
        livemode: bool,
        lease: Duration,
    ) -> sqlx::Result<Vec<MeterDay>> {
        let claimed = sqlx::query_as!(
            MeterDay,
            r#"select tenant_id as "tenant_id!", meter as "meter!", stripe_meter as "stripe_meter!", customer as "customer!",
                      extract(epoch from day)::bigint as "day!", ticket as "ticket!"
                 from billing.claim_meter_days($1, $2, $3)"#,
            i32::try_from(most).unwrap_or(i32::MAX),
            livemode,
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_meter_days", claimed)
    }
}
