//! Writes the results of many executions in one transaction.
//!
//! Whatever is there when the last commit returns goes into the next one, so a lone result never waits, and under load one commit carries hundreds.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::queue::{Answer, Queue, Record, is_refused_content};
use crate::slice::{pause, sliced};

/// Executions in one transaction. Whoever comes while it is written waits for its end, and a larger one is hardly cheaper an execution.
const MOST: usize = 128;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    Accepted {
        cancel_requested: bool,
    },
    /// The claim was no longer good, or somebody else has what was offered. Nothing was written.
    Refused,
    /// The database refuses the content itself.
    Unrecordable(String),
}

impl Committed {
    /// `None`: to be said again.
    fn of(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Written {
                cancel_requested,
                pause_requested: _,
            } => Some(Self::Accepted { cancel_requested }),
            Answer::NotHeld => Some(Self::Refused),
            Answer::Again => None,
        }
    }
}

struct Submission {
    record: Record,
    answer: oneshot::Sender<Committed>,
}

/// Where results are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Committer {
    sender: mpsc::UnboundedSender<Submission>,
}

impl Committer {
    /// Starts to commit. The task ends when every handle is gone and what was handed in is written.
    ///
    /// What was offered and goes on is claimed by its record, for `lease`.
    pub fn start(queue: Queue, lease: Duration) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let records = Records { queue, lease };
        let task = tokio::spawn(sliced(commit_all(records, receiver)));
        (Self { sender }, task)
    }

    /// Hands a record in. An execution has one out at a time, so the number of executions bounds the queue.
    pub fn submit(&self, record: Record) -> oneshot::Receiver<Committed> {
        let (answer, receiver) = oneshot::channel();
        // Without a committer the receiver says so.
        let _ = self.sender.send(Submission { record, answer });
        receiver
    }
}

/// Where they are written.
struct Records {
    queue: Queue,
    lease: Duration,
}

async fn commit_all(records: Records, mut receiver: mpsc::UnboundedReceiver<Submission>) {
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, MOST).await > 0 {
        // Whoever let go of the answer let go of the execution.
        waiting.retain(|submission| !submission.answer.is_closed());
        if waiting.is_empty() {
            continue;
        }
        metrics::histogram!("aias_worker_commit_size").record(waiting.len() as f64);
        commit(&records, std::mem::take(&mut waiting)).await;
    }
}

/// Commits submissions, and answers each.
async fn commit(to: &Records, mut submissions: Vec<Submission>) {
    while !submissions.is_empty() {
        let (records, answers): (Vec<_>, Vec<_>) = submissions
            .drain(..)
            .map(|submission| (submission.record, submission.answer))
            .unzip();
        match record_until_answered(to, &records).await {
            Ok(answered) => {
                for ((record, answer), answered) in records.into_iter().zip(answers).zip(answered) {
                    pause();
                    match Committed::of(answered) {
                        Some(committed) => {
                            let _ = answer.send(committed);
                        }
                        None => submissions.push(Submission { record, answer }),
                    }
                }
            }
            // One of them is at fault, and the others shall not suffer for it.
            Err(why) => {
                let is_alone = records.len() == 1;
                for (record, answer) in records.into_iter().zip(answers) {
                    let committed = if is_alone {
                        Committed::Unrecordable(why.clone())
                    } else {
                        commit_alone(to, &record).await
                    };
                    let _ = answer.send(committed);
                }
            }
        }
    }
}

async fn commit_alone(to: &Records, record: &Record) -> Committed {
    match record_until_answered(to, std::slice::from_ref(record)).await {
        Ok(answered) => answered
            .first()
            .and_then(|answer| Committed::of(*answer))
            .unwrap_or(Committed::Refused),
        Err(why) => Committed::Unrecordable(why),
    }
}

/// Repeats the call until the database has an opinion. It is safe to repeat: what was written before the connection broke is left as it is.
///
/// It does not stop when the leases end. While the database is away nobody else can claim either, and when it is back the fencing token tells
/// whether somebody did.
async fn record_until_answered(to: &Records, records: &[Record]) -> Result<Vec<Answer>, String> {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        let started = Instant::now();
        match to.queue.record(records, to.lease).await {
            Ok(answers) => {
                metrics::histogram!("aias_worker_commit_seconds")
                    .record(started.elapsed().as_secs_f64());
                return Ok(answers);
            }
            Err(error) if is_refused_content(&error) => {
                tracing::error!(%error, executions = records.len(), "the database refuses a result");
                return Err(error
                    .as_database_error()
                    .map_or_else(|| error.to_string(), |error| error.message().to_owned()));
            }
            Err(error) => {
                let wait = backoff.wait(rand::random());
                tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "cannot record results");
                tokio::time::sleep(wait).await;
            }
        }
    }
}
