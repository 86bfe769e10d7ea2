//! Asks Stripe how objects are that events have told of.
//!
//! An event says how an object was, and the mirror is right by events alone. Stripe's own answer is right also where two events of one second
//! leave it open which was the later one, and where an event never came.

use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::{Chore, Turn};
use crate::queue::{FetchKey, Queue};
use crate::stripe::StripeApi;

/// Questions of one turn, and how many of them are asked at a time: far below what Stripe allows
/// (<https://docs.stripe.com/rate-limits>).
const MOST: u32 = 40;
const AT_A_TIME: usize = 8;
/// Longer than one turn takes. What is not answered by then is asked again.
const LEASE: Duration = Duration::from_secs(180);

pub struct StripeFetcher {
    pub queue: Queue,
    pub api: StripeApi,
}

impl StripeFetcher {
    async fn ask(&self, key: FetchKey) {
        let outcome = match self.api.fetch(&key).await {
            Ok(answer) => match self.queue.apply_fetched(&key, &answer).await {
                Ok(true) => "applied",
                Ok(false) => "late",
                Err(error) => {
                    tracing::warn!(kind = key.kind, id = key.id, %error, "an answer of Stripe could not be applied");
                    "failed"
                }
            },
            Err(error) => {
                tracing::warn!(
                    kind = key.kind,
                    id = key.id,
                    error = format!("{error:#}"),
                    "Stripe could not be asked"
                );
                "failed"
            }
        };
        metrics::counter!("aias_worker_stripe_fetches_total", "outcome" => outcome).increment(1);
    }
}

impl Chore for StripeFetcher {
    const NAME: &'static str = "fetch_from_stripe";
    const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let claimed = self
            .queue
            .claim_fetches(MOST, self.api.is_live(), LEASE)
            .await?;
        let is_idle = claimed.is_empty();
        stream::iter(claimed)
            .for_each_concurrent(AT_A_TIME, |key| self.ask(key))
            .await;
        Ok(Turn::more_if(!is_idle))
    }
}
