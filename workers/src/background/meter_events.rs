//! Tells Stripe's meters what was used. A worker that dies in between leaves events that are sent again, and Stripe takes each identifier once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};

use super::{Chore, Turn};
use crate::queue::{MeterEvent, Queue};
use crate::stripe::{Outcome, Sent, StripeApi};

const MOST: u32 = 200;
/// Customers at a time: far below what Stripe allows (<https://docs.stripe.com/rate-limits>).
const AT_A_TIME: usize = 8;
/// Half of it is for sending.
const LEASE: Duration = Duration::from_secs(180);

pub struct MeterEvents {
    pub queue: Queue,
    pub api: StripeApi,
}

impl MeterEvents {
    /// One after the other: Stripe takes one call at a time of a customer and a meter
    /// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api#rate-limits>).
    async fn send(&self, events: Vec<MeterEvent>, begun: Instant) -> anyhow::Result<()> {
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            let outcome = if begun.elapsed() < LEASE / 2 {
                self.api.send_meter_event(&event).await
            } else {
                Sent::new(Outcome::Again, "there was no time for it".to_owned())
            };
            metrics::counter!("aias_worker_meter_events_total", "outcome" => outcome.outcome.as_str())
                .increment(1);
            if let (Outcome::Refused | Outcome::Late, Some(problem)) =
                (outcome.outcome, &outcome.problem)
            {
                tracing::warn!(
                    event = event.identifier,
                    problem,
                    "Stripe does not take what was used"
                );
            }
            sent.push((event, outcome));
        }
        self.queue.record_meter_events(&sent).await?;
        Ok(())
    }
}

impl Chore for MeterEvents {
    const NAME: &'static str = "send_meter_events";
    const REST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let begun = Instant::now();
        let claimed = self
            .queue
            .claim_meter_events(MOST, self.api.is_live(), LEASE)
            .await?;
        let is_idle = claimed.is_empty();
        let mut lines: BTreeMap<(String, String), Vec<MeterEvent>> = BTreeMap::new();
        for event in claimed {
            let line = (event.customer.clone(), event.event_name.clone());
            lines.entry(line).or_default().push(event);
        }
        let all: Vec<anyhow::Result<()>> = stream::iter(lines.into_values())
            .map(|events| self.send(events, begun))
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        all.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(Turn::more_if(!is_idle))
    }
}
