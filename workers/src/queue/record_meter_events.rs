use super::{MeterEvent, Queue};
use crate::stripe::Sent;

impl Queue {
    /// Writes what has become of claimed events. Those whose lease was lost are left as they are.
    ///
    /// # Errors
    /// What the database answered; then they are sent again when the lease is over.
    pub async fn record_meter_events(&self, events: &[(MeterEvent, Sent)]) -> sqlx::Result<()> {
        let identifiers: Vec<String> = events
            .iter()
            .map(|(event, _)| event.identifier.clone())
            .collect();
        let tickets: Vec<i64> = events.iter().map(|(event, _)| event.ticket).collect();
        let outcomes: Vec<String> = events
            .iter()
            .map(|(_, sent)| sent.outcome.as_str().to_owned())
            .collect();
        let problems: Vec<Option<String>> = events
            .iter()
            .map(|(_, sent)| sent.problem.clone())
            .collect();
        let recorded = sqlx::query_scalar!(
            r#"select billing.record_meter_events($1, $2, $3, $4) as "recorded!""#,
            &identifiers,
            &tickets,
            &outcomes,
            &problems as &[Option<String>],
        )
        .fetch_one(&self.pool)
        .await;
        self.note("record_meter_events", recorded).map(|_| ())
    }
}
