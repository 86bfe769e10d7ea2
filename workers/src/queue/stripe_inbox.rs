use super::Queue;

/// What stands in the inbox of Stripe's events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StripeInbox {
    /// To be applied.
    pub received: i64,
    /// Given up, until somebody has them replayed.
    pub dead: i64,
    /// How long the oldest that is to be applied has been there.
    pub oldest_seconds: f64,
}

impl Queue {
    /// # Errors
    /// What the database answered.
    pub async fn stripe_inbox(&self) -> sqlx::Result<StripeInbox> {
        let inbox = sqlx::query_as!(
            StripeInbox,
            r#"select received as "received!", dead as "dead!", oldest_seconds as "oldest_seconds!" from billing.inbox()"#,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("stripe_inbox", inbox)
    }
}
