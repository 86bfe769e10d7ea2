use std::time::Duration;

use super::{Queue, interval};

/// An object that Stripe is to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchKey {
    /// The connected account that it is of; empty for the platform's own.
    pub account: String,
    pub kind: String,
    pub id: String,
    /// Of this question. An answer to a later one is not overwritten.
    pub ticket: i64,
}

impl Queue {
    /// Takes up to `most` objects that Stripe is to be asked about; who says nothing within `lease` leaves them to others.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn claim_fetches(
        &self,
        most: u32,
        livemode: bool,
        lease: Duration,
    ) -> sqlx::Result<Vec<FetchKey>> {
        let claimed = sqlx::query_as!(
            FetchKey,
            r#"select account as "account!", kind as "kind!", id as "id!", ticket as "ticket!" from billing.claim_fetches($1, $2, $3)"#,
            i32::try_from(most).unwrap_or(i32::MAX),
            livemode,
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_fetches", claimed)
    }
}
