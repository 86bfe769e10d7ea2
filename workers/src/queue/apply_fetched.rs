use super::{FetchKey, Queue};
use crate::stripe::Answer;

impl Queue {
    /// Takes what Stripe has answered. False when it came too late: an answer to a later question is there.
    ///
    /// # Errors
    /// What the database answered; then nothing is taken.
    pub async fn apply_fetched(&self, key: &FetchKey, answer: &Answer) -> sqlx::Result<bool> {
        let taken = sqlx::query_scalar!(
            r#"select billing.apply_fetched($1, $2, $3, $4, $5, $6) as "taken!""#,
            key.account,
            key.kind,
            key.id,
            key.ticket,
            answer.object,
            answer.at.as_second(),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("apply_fetched", taken)
    }
}
