use std::time::Duration;

use super::{Queue, interval};

/// A page of a reconciliation that Stripe is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciliationPage {
    pub run: i64,
    /// Of this claim. What comes with an older one is refused.
    pub token: i64,
    pub kind: String,
    /// The last object that was looked at.
    pub after: Option<String>,
    /// In seconds since 1970; what was created before is not listed.
    pub since: Option<i64>,
}

impl Queue {
    /// Takes the page of a reconciliation that is due, and begins one when it is time; who says nothing within `lease` leaves it to others.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn claim_reconciliation(
        &self,
        livemode: bool,
        lease: Duration,
    ) -> sqlx::Result<Option<ReconciliationPage>> {
        let claimed = sqlx::query_as!(
            ReconciliationPage,
            r#"select run as "run!", token as "token!", kind as "kind!", after, extract(epoch from since)::bigint as since from billing.claim_reconciliation($1, $2)"#,
            livemode,
            interval(lease),
        )
        .fetch_optional(&self.pool)
        .await;
        self.note("claim_reconciliation", claimed)
    }
}
