use super::{MeterDay, Queue};
use crate::stripe::HourSum;

impl Queue {
    /// Takes what Stripe says of a day. False when it was asked again meanwhile.
    ///
    /// # Errors
    /// What the database answered; then nothing is taken.
    pub async fn apply_meter_day(&self, day: &MeterDay, sums: &[HourSum]) -> sqlx::Result<bool> {
        let hours: Vec<i64> = sums.iter().map(|sum| sum.second).collect();
        let values: Vec<f64> = sums.iter().map(|sum| sum.value).collect();
        let taken = sqlx::query_scalar!(
            r#"select billing.apply_meter_day($1, $2, $3, to_timestamp($4::bigint), $5, $6, $7) as "taken!""#,
            day.tenant_id,
            day.meter,
            day.customer,
            day.day,
            day.ticket,
            &hours,
            &values,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("apply_meter_day", taken)
    }
}
