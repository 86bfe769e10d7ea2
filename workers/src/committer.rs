//! Writes the results of many executions in one transaction.
//!
//! Whatever is there when the last commit returns goes into the next one, so a lone result never waits, and under load one commit carries hundreds.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::queue::{Queue, Record, is_refused_content};

/// Executions in one transaction.
const MOST: usize = 500;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    Accepted {
        cancel_requested: bool,
    },
    /// The claim was no longer good. Nothing was written.
    Refused,
    /// The database refuses the content itself.
    Unrecordable(String),
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
    pub fn start(queue: Queue) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(commit_all(queue, receiver));
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

async fn commit_all(queue: Queue, mut receiver: mpsc::UnboundedReceiver<Submission>) {
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, MOST).await > 0 {
        // Whoever let go of the answer let go of the execution.
        waiting.retain(|submission| !submission.answer.is_closed());
        let (records, answers): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|submission| (submission.record, submission.answer))
            .unzip();
        if records.is_empty() {
            continue;
        }
        metrics::histogram!("aias_worker_commit_size").record(records.len() as f64);
        for (answer, committed) in answers.into_iter().zip(commit(&queue, &records).await) {
            let _ = answer.send(committed);
        }
    }
}

/// One answer for each record, in their order.
async fn commit(queue: &Queue, records: &[Record]) -> Vec<Committed> {
    match record_until_answered(queue, records).await {
        Ok(committed) => committed,
        Err(why) if records.len() == 1 => vec![Committed::Unrecordable(why)],
        // One of them is at fault, and the others shall not suffer for it.
        Err(_) => {
            let mut committed = Vec::with_capacity(records.len());
            for record in records {
                let alone = record_until_answered(queue, std::slice::from_ref(record)).await;
                committed.push(alone.map_or_else(Committed::Unrecordable, |mut one| {
                    one.pop().unwrap_or(Committed::Refused)
                }));
            }
            committed
        }
    }
}

/// Repeats the call until the database has an opinion. It is safe to repeat: what was written before the connection broke is left as it is.
///
/// It does not stop when the leases end. While the database is away nobody else can claim either, and when it is back the fencing token tells
/// whether somebody did.
async fn record_until_answered(
    queue: &Queue,
    records: &[Record],
) -> Result<Vec<Committed>, String> {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        let started = Instant::now();
        match queue.record(records).await {
            Ok(answers) => {
                metrics::histogram!("aias_worker_commit_seconds")
                    .record(started.elapsed().as_secs_f64());
                let committed = records
                    .iter()
                    .map(|record| match answers.get(&record.key()) {
                        Some(answer) if answer.accepted => Committed::Accepted {
                            cancel_requested: answer.cancel_requested,
                        },
                        _ => Committed::Refused,
                    });
                return Ok(committed.collect());
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
