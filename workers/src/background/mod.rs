//! What is done beside the executions: several kinds of work, one loop.
//!
//! Each kind is a [`Chore`] in a file of its own. What they have in common is in `repeat.rs`: how long an idle one rests, that a failing one
//! backs off and complains once, what is counted, and when it ends.

mod audit_chainer;
mod billing_sweeper;
mod chores;
mod complaints;
mod dns;
mod domain_checker;
mod embedder;
mod eraser;
mod exporter;
mod historian;
mod key_keeper;
mod limit_watcher;
mod meter_events;
mod meter_sums;
mod repeat;
mod scheduler;
mod stripe_events;
mod stripe_fetcher;
mod stripe_reconciler;
mod sweeper;
mod usage_counter;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::execution::Drain;
use crate::wake::Wake;

pub use audit_chainer::AuditChainer;
pub use billing_sweeper::BillingSweeper;
pub use chores::Chores;
pub use dns::Dns;
pub use domain_checker::DomainChecker;
pub use embedder::Embedder;
pub use eraser::Eraser;
pub use exporter::Exporter;
pub use historian::Historian;
pub use limit_watcher::LimitWatcher;
pub use meter_events::MeterEvents;
pub use meter_sums::MeterSums;
pub use scheduler::Scheduler;
pub use stripe_events::StripeEvents;
pub use stripe_fetcher::StripeFetcher;
pub use stripe_reconciler::StripeReconciler;
pub use sweeper::Sweeper;
pub use usage_counter::UsageCounter;

/// One kind of work, done in turns. A turn is bounded, and seen through unless the process ends; whatever it was in the middle of then is
/// done again by whoever comes next.
pub trait Chore: Send + Sync + 'static {
    /// What it is called in logs and metrics.
    const NAME: &'static str;
    /// How long it rests when there is nothing to do: from the first to the second, less up to half by chance.
    const REST: (Duration, Duration);
    /// Whether it rests before the first turn too, so that workers that start together do not do the same together.
    const RESTS_FIRST: bool = false;

    /// One turn.
    fn turn(&self) -> impl Future<Output = anyhow::Result<Turn>> + Send;
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Something was done, and there may be more to do.
    More,
    /// There is nothing to do, as far as is known not before `due_in`.
    Idle { due_in: Option<Duration> },
}

impl Turn {
    pub const IDLE: Self = Self::Idle { due_in: None };

    /// Whether there may be more, when `done` was the most that one turn does.
    pub const fn more_if(there_is_more: bool) -> Self {
        if there_is_more {
            Self::More
        } else {
            Self::IDLE
        }
    }
}

/// All that is done beside the executions. Dropped, it stops in the middle.
pub struct Background {
    chores: JoinSet<()>,
    drain: watch::Receiver<Drain>,
}

impl Background {
    pub fn new(drain: watch::Receiver<Drain>) -> Self {
        Self {
            chores: JoinSet::new(),
            drain,
        }
    }

    /// Begins to repeat a chore, until the worker is told to stop.
    pub fn start(&mut self, chore: impl Chore) {
        self.start_woken_by(chore, Arc::default());
    }

    /// The same, with somebody who may end its rest.
    pub fn start_woken_by(&mut self, chore: impl Chore, wake: Arc<Wake>) {
        let drain = self.drain.clone();
        self.chores
            .spawn(async move { repeat::repeat(&chore, &wake, drain).await });
    }

    /// Until the last turn is over, once the worker was told to stop.
    pub async fn ended(&mut self) {
        while self.chores.join_next().await.is_some() {}
    }
}
