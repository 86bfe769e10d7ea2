//! Starts workflows at their times.
//!
//! What is computed here is when; that each time starts one execution, whoever computes it and however often, is the database's part.

use std::time::Duration;

use futures::future::join_all;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use workflow::cron::Cron;

use super::{Chore, Turn};
use crate::queue::{Queue, Schedule, ScheduleTurn};

/// Schedules of one turn, moved on at the same time.
const BATCH: usize = 4;
/// How long a claimed schedule stays with a worker that says nothing.
const LEASE: Duration = Duration::from_secs(60);
/// A time that is longer past than this was missed.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// Missed times that `all` makes up for, from the first on.
const MOST_MISSED: usize = 1_000;

/// Looks after the schedules of all tenants, together with every other worker.
pub struct Scheduler {
    pub queue: Queue,
}

impl Scheduler {
    async fn run(&self, schedule: &Schedule) -> sqlx::Result<()> {
        let turn = match plan(schedule, self.queue.now()) {
            Ok(turn) => turn,
            Err(error) => {
                // A worker of another release may know it; the lease ends soon enough.
                tracing::warn!(workflow = %schedule.key.workflow_id, cron = schedule.cron, timezone = schedule.timezone, %error,
                    "a schedule cannot be read");
                return Ok(());
            }
        };
        let answer = self.queue.run_schedule(schedule.key, &turn).await?;
        let count = |outcome, number| {
            metrics::counter!("aias_worker_scheduled_runs_total", "outcome" => outcome)
                .increment(number)
        };
        let started = u64::try_from(answer.started).unwrap_or(0);
        match (answer.accepted, answer.refused) {
            (true, None) => count("started", started),
            (true, Some(reason)) => {
                tracing::debug!(workflow = %schedule.key.workflow_id, reason, "a schedule did not start everything");
                count("started", started);
                count(
                    "refused",
                    (turn.instants.len() as u64).saturating_sub(started),
                );
            }
            (false, _) => count("lease_lost", 1),
        }
        Ok(())
    }
}

/// What is due of a schedule, and when it is due again.
fn plan(schedule: &Schedule, now: Timestamp) -> anyhow::Result<ScheduleTurn> {
    let cron = Cron::parse(&schedule.cron)?;
    let zone = TimeZone::get(&schedule.timezone)?;
    let after = schedule.handled_until;
    let mut turn = ScheduleTurn {
        handled_until: now.max(after),
        next: cron.next_after(now.max(after), &zone),
        ..ScheduleTurn::default()
    };
    let Some(latest) = cron.last_between(after, now, &zone) else {
        return Ok(turn);
    };
    match schedule.missed.as_str() {
        "all" => {
            turn.instants = cron.between(after, now, &zone, MOST_MISSED);
            turn.note = turn
                .instants
                .last()
                .filter(|last| **last < latest)
                .map(|last| {
                    format!(
                        "more than {MOST_MISSED} runs were missed: those after {last} were left out"
                    )
                });
        }
        "once" => turn.instants.push(latest),
        _ => {
            let in_time = now.duration_since(latest) <= GRACE;
            turn.instants.extend(in_time.then_some(latest));
            let first = cron.next_after(after, &zone).unwrap_or(latest);
            turn.note = (first < latest || !in_time).then(|| {
                format!("no worker was there in time: missed runs from {first} on were left out")
            });
        }
    }
    Ok(turn)
}

impl Chore for Scheduler {
    const NAME: &'static str = "run_schedules";
    const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let schedules = self.queue.claim_schedules(BATCH, LEASE).await?;
        if schedules.is_empty() {
            let due_in = self.queue.next_schedule_due().await?;
            return Ok(Turn::Idle { due_in });
        }
        // One that fails does not keep the others from going on.
        let all = join_all(schedules.iter().map(|schedule| self.run(schedule))).await;
        all.into_iter().collect::<sqlx::Result<()>>()?;
        Ok(Turn::More)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::queue::ScheduleKey;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn planned(cron: &str, timezone: &str, missed: &str, handled: &str, now: &str) -> ScheduleTurn {
        let schedule = Schedule {
            key: ScheduleKey {
                tenant_id: Uuid::nil(),
                workflow_id: Uuid::nil(),
                fencing_token: 1,
            },
            cron: cron.to_owned(),
            timezone: timezone.to_owned(),
            missed: missed.to_owned(),
            handled_until: at(handled),
        };
        plan(&schedule, at(now)).unwrap()
    }

    const HANDLED: &str = "2026-01-05T08:00:00Z";

    #[test]
    fn what_is_not_due_is_only_planned() {
        let turn = planned(
            "0 9 * * *",
            "Europe/Berlin",
            "all",
            HANDLED,
            "2026-01-05T08:00:01Z",
        );
        assert_eq!(turn.instants, []);
        assert_eq!(turn.next, Some(at("2026-01-06T08:00:00Z")));
        assert_eq!(turn.note, None);
    }

    #[test]
    fn a_time_that_has_come_runs_whatever_the_policy() {
        for missed in ["skip", "once", "all"] {
            let turn = planned(
                "0 * * * *",
                "UTC",
                missed,
                HANDLED,
                "2026-01-05T09:00:00.02Z",
            );
            assert_eq!(turn.instants, [at("2026-01-05T09:00:00Z")], "{missed}");
            assert_eq!(turn.next, Some(at("2026-01-05T10:00:00Z")));
            assert_eq!(turn.note, None);
        }
    }

    #[test]
    fn missed_times_are_left_out_run_once_or_all() {
        let now = "2026-01-05T11:30:00Z";
        let skip = planned("0 * * * *", "UTC", "skip", HANDLED, now);
        assert_eq!(skip.instants, []);
        assert!(skip.note.unwrap().contains("from 2026-01-05T09:00:00Z on"));
        let once = planned("0 * * * *", "UTC", "once", HANDLED, now);
        assert_eq!(once.instants, [at("2026-01-05T11:00:00Z")]);
        let all = planned("0 * * * *", "UTC", "all", HANDLED, now);
        let hours = [
            "2026-01-05T09:00:00Z",
            "2026-01-05T10:00:00Z",
            "2026-01-05T11:00:00Z",
        ];
        assert_eq!(all.instants, hours.map(at));
        for turn in [once, all] {
            assert_eq!(turn.note, None);
            assert_eq!(turn.next, Some(at("2026-01-05T12:00:00Z")));
            assert_eq!(turn.handled_until, at(now));
        }
    }

    /// The last one is in time, those before it are not.
    #[test]
    fn skipping_leaves_out_what_is_late_and_runs_what_is_not() {
        let turn = planned("* * * * *", "UTC", "skip", HANDLED, "2026-01-05T08:10:05Z");
        assert_eq!(turn.instants, [at("2026-01-05T08:10:00Z")]);
        assert!(turn.note.unwrap().contains("from 2026-01-05T08:01:00Z on"));
    }

    #[test]
    fn all_has_an_end() {
        let turn = planned("* * * * *", "UTC", "all", HANDLED, "2026-03-05T08:00:00Z");
        assert_eq!(turn.instants.len(), MOST_MISSED);
        assert_eq!(turn.instants[0], at("2026-01-05T08:01:00Z"));
        assert!(
            turn.note
                .unwrap()
                .starts_with("more than 1000 runs were missed")
        );
        assert_eq!(turn.next, Some(at("2026-03-05T08:01:00Z")));
    }
}
