//! What a person sees: a line now and then while it goes on, and what it came to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, timeout};
use xtask::{row, table};

use crate::clients::{Cancelled, Shared};
use crate::facts::Facts;
use crate::judge::{Verdict, repeated_effects, repeats};
use crate::kills::Toll;
use crate::postgres::Postgres;

/// At most so many of what an invariant was broken by are shown.
const MOST_SHOWN: usize = 8;

pub struct Watch {
    postgres: Arc<Postgres>,
    shared: Arc<Shared>,
    toll: Arc<Toll>,
    begun: Instant,
    every: Duration,
    next: Instant,
    session: Option<PgConnection>,
    last: (Instant, i64),
}

impl Watch {
    pub fn new(
        postgres: &Arc<Postgres>,
        shared: &Arc<Shared>,
        toll: &Arc<Toll>,
        begun: Instant,
        seconds: u32,
    ) -> Self {
        let every = Duration::from_secs(u64::from(seconds / 12).clamp(1, 60));
        Self {
            postgres: Arc::clone(postgres),
            shared: Arc::clone(shared),
            toll: Arc::clone(toll),
            begun,
            every,
            next: begun + every,
            session: None,
            last: (begun, 0),
        }
    }

    /// Says how things are, when it is time to.
    pub async fn turn(&mut self) {
        if self.next > Instant::now() + Duration::from_millis(200) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return;
        }
        tokio::time::sleep_until(self.next).await;
        self.next = Instant::now() + self.every;
        let ended = match timeout(Duration::from_secs(1), self.ended()).await {
            Ok(Some(ended)) => {
                let passed = self.last.0.elapsed().as_secs_f64();
                let rate = (ended - self.last.1) as f64 / passed.max(0.001);
                self.last = (Instant::now(), ended);
                format!("{ended:>6} ended  {rate:>5.0} a second")
            }
            _ => {
                self.session = None;
                "Postgres is away".to_owned()
            }
        };
        println!(
            "{:>4} s  {:>6} accepted  {ended}  killed: {} workers, Postgres {} times",
            self.begun.elapsed().as_secs(),
            self.shared.accepted.load(Ordering::Relaxed),
            self.toll.workers.load(Ordering::Relaxed),
            self.toll.postgres.load(Ordering::Relaxed),
        );
    }

    /// How many executions have; none while Postgres is away.
    pub async fn ended(&mut self) -> Option<i64> {
        if self.session.is_none() {
            self.session = self.postgres.session().await.ok();
        }
        let session = self.session.as_mut()?;
        let ended = sqlx::query_scalar(
            "select count(*) from public.executions where finished_at is not null",
        )
        .fetch_one(session)
        .await;
        if ended.is_err() {
            self.session = None;
        }
        ended.ok()
    }
}

pub fn print(facts: &Facts, verdicts: &[Verdict], elapsed: Duration) {
    println!("\n{}\n", figures(facts, elapsed));
    let mut rows = vec![row!["what must hold", "looked at", ""]];
    for verdict in verdicts {
        let held = match verdict.broken.len() {
            0 => "holds".to_owned(),
            times => format!("BROKEN {times} times"),
        };
        rows.push(row![verdict.what, verdict.looked_at, held]);
    }
    println!("{}\n", table::render(&rows));
    for verdict in verdicts.iter().filter(|verdict| !verdict.broken.is_empty()) {
        println!("broken: {}", verdict.what);
        for broken in verdict.broken.iter().take(MOST_SHOWN) {
            println!("  {broken}");
        }
    }
    let held = verdicts
        .iter()
        .filter(|verdict| verdict.broken.is_empty())
        .count();
    println!("{held} of {} invariants hold", verdicts.len());
}

fn figures(facts: &Facts, elapsed: Duration) -> String {
    let count = facts.executions.len();
    let with = |status: &str| {
        let executions = facts.executions.values();
        executions
            .filter(|execution| execution.status == status)
            .count()
    };
    let steps: usize = facts
        .executions
        .values()
        .map(|execution| execution.steps.len())
        .sum();
    let calls: usize = facts.calls.values().map(Vec::len).sum();
    let effects = repeated_effects(facts);
    let too_late = facts
        .answers
        .cancelled
        .values()
        .filter(|answered| **answered == Cancelled::TooLate)
        .count();
    let outage = facts.outages.iter().map(|outage| outage.to - outage.from);
    table::render(&[
        row!["figure", ""],
        row!["executions", count],
        row!["  succeeded", with("succeeded")],
        row!["  failed", with("failed")],
        row!["  cancelled", with("cancelled")],
        row![
            "  asked to be cancelled",
            format!(
                "{}, of which {too_late} too late",
                facts.answers.cancelled.len()
            )
        ],
        row![
            "a second, from the first to the last",
            format!("{:.0}", count as f64 / elapsed.as_secs_f64())
        ],
        row!["steps", steps],
        row!["calls that the world saw", calls],
        row!["workers killed", facts.killed.len()],
        row!["Postgres killed", facts.outages.len()],
        row![
            "  away for",
            format!("{:.1} s", outage.sum::<i64>() as f64 / 1e6)
        ],
        row![
            "attempts that began again, their worker being gone",
            repeats(facts).count()
        ],
        row![
            "calls that the world saw again because of that",
            effects.iter().sum::<usize>()
        ],
        row![
            "  most of one step",
            effects.iter().max().copied().unwrap_or(0)
        ],
    ])
}
