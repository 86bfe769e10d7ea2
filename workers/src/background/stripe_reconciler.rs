//! Compares the mirror of Stripe's objects with what Stripe lists, one page a turn.
//!
//! What differs is not mended here: the fetcher asks how it is. So a list that is older than an event does no harm. Which page is next stands in the
//! database; whoever dies leaves it to the next worker.

use std::time::Duration;

use super::{Chore, Turn};
use crate::queue::{Queue, ReconciliationPage};
use crate::stripe::{ListError, Page, StripeApi};

/// Longer than a page takes.
const LEASE: Duration = Duration::from_secs(120);
/// Before Stripe is asked again that could not be.
const AGAIN: Duration = Duration::from_secs(30);

pub struct StripeReconciler {
    pub queue: Queue,
    pub api: StripeApi,
}

impl Chore for StripeReconciler {
    const NAME: &'static str = "reconcile_with_stripe";
    const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let claimed = self
            .queue
            .claim_reconciliation(self.api.is_live(), LEASE)
            .await?;
        let Some(page) = claimed else {
            return Ok(Turn::IDLE);
        };
        let listed = self
            .api
            .list(&page.kind, page.after.as_deref(), page.since)
            .await;
        let (outcome, turn) = match listed {
            Ok(listed) => ("recorded", self.record(&page, &listed).await?),
            Err(ListError::TooMuch(wait)) => {
                let reason = ListError::TooMuch(wait).to_string();
                self.queue
                    .put_off_reconciliation(&page, wait, &reason)
                    .await?;
                ("put_off", Turn::Idle { due_in: Some(wait) })
            }
            Err(error) => {
                let reason = error.to_string();
                self.queue
                    .put_off_reconciliation(&page, AGAIN, &reason)
                    .await?;
                return Err(anyhow::Error::from(error).context("reconciling with Stripe"));
            }
        };
        metrics::counter!("aias_worker_stripe_pages_total", "outcome" => outcome).increment(1);
        Ok(turn)
    }
}

impl StripeReconciler {
    async fn record(&self, page: &ReconciliationPage, listed: &Page) -> anyhow::Result<Turn> {
        let is_recorded = self
            .queue
            .record_reconciled(page, &listed.objects, listed.has_more)
            .await?;
        if !is_recorded {
            tracing::info!(
                run = page.run,
                "another worker goes on with this reconciliation"
            );
        }
        Ok(Turn::more_if(is_recorded))
    }
}
