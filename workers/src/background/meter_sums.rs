//! Asks Stripe what its meters come to, and for its reports of what they could not count: what `billing.drift` compares with.

use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::{Chore, Turn};
use crate::queue::{MeterDay, MeterReport, Queue};
use crate::stripe::StripeApi;

/// Of each in one turn, and at a time: see `stripe_fetcher.rs`.
const MOST: u32 = 40;
const AT_A_TIME: usize = 4;
const LEASE: Duration = Duration::from_secs(300);

pub struct MeterSums {
    pub queue: Queue,
    pub api: StripeApi,
}

impl MeterSums {
    /// Without their ids no day can be asked of.
    async fn find_meters(&self) -> anyhow::Result<()> {
        if self.queue.has_meters_to_find().await? {
            self.queue
                .learn_meters(self.api.list_meters().await?)
                .await?;
        }
        Ok(())
    }

    async fn ask(&self, day: MeterDay) -> anyhow::Result<()> {
        let sums = self.api.sums_of(&day).await?;
        self.queue.apply_meter_day(&day, &sums).await?;
        Ok(())
    }

    async fn fetch(&self, report: MeterReport) -> anyhow::Result<()> {
        let object = self.api.fetch_event(&report.event).await?;
        self.queue.apply_meter_report(&report, object).await?;
        Ok(())
    }
}

impl Chore for MeterSums {
    const NAME: &'static str = "ask_for_meter_sums";
    const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

    async fn turn(&self) -> anyhow::Result<Turn> {
        // A key may be allowed to do one of these and not the other.
        let found = self.find_meters().await;
        let is_live = self.api.is_live();
        let days = self.queue.claim_meter_days(MOST, is_live, LEASE).await?;
        let reports = self.queue.claim_meter_reports(MOST, is_live, LEASE).await?;
        let is_idle = days.is_empty() && reports.is_empty();
        let mut all: Vec<anyhow::Result<()>> = stream::iter(days)
            .map(|day| self.ask(day))
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        for report in reports {
            all.push(self.fetch(report).await);
        }
        all.push(found);
        // One that fails keeps none of the others from being taken.
        all.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(Turn::more_if(!is_idle))
    }
}
