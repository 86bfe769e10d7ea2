//! The loop that all chores share.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::complaints::Complaints;
use super::{Chore, Turn};
use crate::backoff::Backoff;
use crate::execution::Drain;
use crate::stop::{is_stopped, is_stopped_while};
use crate::wake::Wake;

/// How long a chore that failed waits: from the first to the second.
const BROKEN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// What is due may be in somebody else's hands: then it is not asked for without pause.
const LEAST_REST: Duration = Duration::from_millis(20);

/// Repeats a chore until the worker is told to stop.
pub async fn repeat<C: Chore>(chore: &C, wake: &Wake, mut drain: watch::Receiver<Drain>) {
    let mut idle = Backoff::new(C::REST.0, C::REST.1);
    let mut broken = Backoff::new(BROKEN.0, BROKEN.1);
    let mut complaints = Complaints::new(C::NAME);
    if C::RESTS_FIRST {
        is_stopped_while(&mut drain, sleep(idle.wait(rand::random()))).await;
    }
    while !is_stopped(&drain) {
        // Not within a selection: a turn that began is seen through.
        match turn(chore).await {
            Ok(Turn::More) => {
                complaints.well_again();
                broken.reset();
                idle.reset();
            }
            Ok(Turn::Idle { due_in }) => {
                complaints.well_again();
                broken.reset();
                let rest = idle.wait(rand::random());
                let rest = due_in.map_or(rest, |due_in| rest.min(due_in).max(LEAST_REST));
                is_stopped_while(&mut drain, async {
                    if wake.sleep(rest).await {
                        idle.reset();
                    }
                })
                .await;
            }
            Err(error) => {
                complaints.complain(&error);
                is_stopped_while(&mut drain, sleep(broken.wait(rand::random()))).await;
            }
        }
    }
}

/// One turn, timed and counted.
async fn turn<C: Chore>(chore: &C) -> anyhow::Result<Turn> {
    let started = Instant::now();
    let turn = chore.turn().await;
    let outcome = match turn {
        Ok(Turn::More) => "more",
        Ok(Turn::Idle { .. }) => "idle",
        Err(_) => "failed",
    };
    metrics::counter!("aias_worker_turns_total", "work" => C::NAME, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("aias_worker_turn_seconds", "work" => C::NAME)
        .record(started.elapsed().as_secs_f64());
    turn
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers from a list, and idles after it.
    struct Scripted {
        turns: Vec<Result<Turn, &'static str>>,
        done: Arc<AtomicUsize>,
    }

    impl Chore for Scripted {
        const NAME: &'static str = "scripted";
        const REST: (Duration, Duration) = (Duration::from_secs(100), Duration::from_secs(100));

        async fn turn(&self) -> anyhow::Result<Turn> {
            let turn = self.done.fetch_add(1, Ordering::SeqCst);
            let turn = self.turns.get(turn).copied().unwrap_or(Ok(Turn::IDLE));
            turn.map_err(|error| anyhow::anyhow!(error))
        }
    }

    struct Running {
        done: Arc<AtomicUsize>,
        wake: Arc<Wake>,
        drain: watch::Sender<Drain>,
        task: tokio::task::JoinHandle<()>,
    }

    fn run(turns: Vec<Result<Turn, &'static str>>) -> Running {
        let done = Arc::<AtomicUsize>::default();
        let wake = Arc::<Wake>::default();
        let (drain, stage) = watch::channel(Drain::No);
        let chore = Scripted {
            turns,
            done: Arc::clone(&done),
        };
        let task = {
            let wake = Arc::clone(&wake);
            tokio::spawn(async move { repeat(&chore, &wake, stage).await })
        };
        Running {
            done,
            wake,
            drain,
            task,
        }
    }

    impl Running {
        /// Turns so far, after so long.
        async fn after(&self, seconds: u64) -> usize {
            sleep(Duration::from_secs(seconds)).await;
            self.done.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_is_done_at_once_and_then_it_rests() {
        let running = run(vec![Ok(Turn::More), Ok(Turn::More)]);
        assert_eq!(running.after(40).await, 3);
        assert_eq!(running.after(61).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_or_said_ends_the_rest() {
        let due_in = Some(Duration::from_secs(5));
        let running = run(vec![Ok(Turn::Idle { due_in })]);
        assert_eq!(running.after(4).await, 1);
        assert_eq!(running.after(2).await, 2);
        running.wake.now();
        assert_eq!(running.after(1).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_waits_longer_each_time_and_is_not_hurried() {
        let running = run(vec![Err("no"); 1_000]);
        let in_the_first_minute = running.after(60).await;
        let mut in_two = in_the_first_minute;
        for _ in 0..60 {
            running.wake.now();
            in_two = running.after(1).await;
        }
        let in_the_second = in_two - in_the_first_minute;
        assert!(in_the_first_minute <= 12, "{in_the_first_minute}");
        assert!((2..=4).contains(&in_the_second), "{in_the_second}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_told_to_whatever_it_does() {
        for turns in [vec![], vec![Ok(Turn::More); 1_000_000], vec![Err("no"); 9]] {
            let running = run(turns);
            running.after(0).await;
            running.drain.send_replace(Drain::Draining);
            running.task.await.unwrap();
        }
    }
}
