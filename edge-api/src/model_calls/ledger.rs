//! Writes down what calls took: many at once, after they were answered, and again until the database has taken it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::ended_call::EndedCall;
use super::spool::Spool;
use crate::database::Database;

/// Calls in one transaction.
const BATCH: usize = 500;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

enum Entry {
    Ended(Box<EndedCall>),
    /// Answered once everything that was entered before is in the database.
    Flush(oneshot::Sender<()>),
}

/// Where meters enter what their calls took. Nobody waits there.
#[derive(Clone)]
pub struct Ledger(mpsc::UnboundedSender<Entry>);

/// Carries from the ledger into the database. It is to be run once.
pub struct Keeper {
    entries: mpsc::UnboundedReceiver<Entry>,
    database: Database,
    spool_directory: Option<PathBuf>,
    spool: Option<Spool>,
    /// In the spool, and not in the database.
    pending: Vec<EndedCall>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Ledger {
    pub fn new(database: Database, spool_directory: Option<PathBuf>) -> (Self, Keeper) {
        let (sender, entries) = mpsc::unbounded_channel();
        let keeper = Keeper {
            entries,
            database,
            spool_directory,
            spool: None,
            pending: Vec::new(),
            flushes: Vec::new(),
        };
        (Self(sender), keeper)
    }

    pub(super) fn enter(&self, call: EndedCall) {
        if self.0.send(Entry::Ended(Box::new(call))).is_err() {
            // Only while the service ends, and what is left of requests is being thrown away.
            tracing::error!("what a call took cannot be written down any more");
        }
    }

    /// Waits until everything that was entered before is in the database, or the time is over. Whether it is.
    pub async fn flush(&self, within: Duration) -> bool {
        let (done, is_done) = oneshot::channel();
        self.0.send(Entry::Flush(done)).is_ok()
            && matches!(tokio::time::timeout(within, is_done).await, Ok(Ok(())))
    }
}

impl Keeper {
    /// Until there is no ledger any more.
    pub async fn run(mut self) {
        self.open_spool();
        let mut pause = FIRST_PAUSE;
        let mut not_before = Instant::now();
        let mut entries = Vec::new();
        loop {
            tokio::select! {
                count = self.entries.recv_many(&mut entries, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.take(&mut entries);
                }
                () = sleep_until(not_before), if !self.pending.is_empty() => {}
            }
            if Instant::now() < not_before {
                continue;
            }
            match self.write().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.flushes.drain(..).for_each(|flush| {
                        // Nobody waits any more.
                        let _ = flush.send(());
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, calls = self.pending.len(), "what calls took cannot be written down at the moment; it is kept");
                    not_before = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            metrics::gauge!("aias_edge_model_calls_unsettled").set(self.pending.len() as f64);
        }
    }

    fn open_spool(&mut self) {
        let Some(directory) = &self.spool_directory else {
            return;
        };
        match Spool::open(directory) {
            Ok((spool, left)) => {
                if !left.is_empty() {
                    tracing::info!(
                        calls = left.len(),
                        "took over what another process could not write down"
                    );
                }
                (self.spool, self.pending) = (Some(spool), left);
            }
            Err(error) => tracing::error!(
                %error, directory = %directory.display(),
                "AIAS_SPOOL_DIR cannot be used; what calls took is kept in memory alone"
            ),
        }
    }

    fn take(&mut self, entries: &mut Vec<Entry>) {
        let before = self.pending.len();
        for entry in entries.drain(..) {
            match entry {
                Entry::Ended(call) => self.pending.push(*call),
                Entry::Flush(done) => self.flushes.push(done),
            }
        }
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.append(&self.pending[before..])
        {
            tracing::error!(%error, "what calls took cannot be spooled; it is in memory alone");
        }
    }

    async fn write(&mut self) -> Result<(), sqlx::Error> {
        while !self.pending.is_empty() {
            let batch = &self.pending[..self.pending.len().min(BATCH)];
            match self.database.end_model_calls(batch).await {
                Ok(()) => {}
                Err(error) if !is_about_what_was_said(&error) => return Err(error),
                // One of them cannot be written; the others are not to wait for it.
                Err(_) => self.write_each().await?,
            }
            let written = self.pending.len().min(BATCH);
            self.pending.drain(..written);
        }
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.clear()
        {
            // Said again after the next start, and counted once all the same.
            tracing::warn!(%error, "the spool cannot be cleared");
        }
        Ok(())
    }

    /// The first of those that are pending, each by itself. What the database refuses is told to the log in full: it is somebody's money.
    async fn write_each(&self) -> Result<(), sqlx::Error> {
        for call in self.pending.iter().take(BATCH) {
            match self
                .database
                .end_model_calls(std::slice::from_ref(call))
                .await
            {
                Ok(()) => {}
                Err(error) if !is_about_what_was_said(&error) => return Err(error),
                Err(error) => {
                    metrics::counter!("aias_edge_model_calls_refused_total").increment(1);
                    tracing::error!(%error, ?call, "the database does not take what a call took");
                }
            }
        }
        Ok(())
    }
}

/// Whether the database refuses the data themselves (SQLSTATE classes 22 and 23), so that saying them again helps nobody. Whatever else is wrong,
/// a database that is away or one whose functions are not there yet, is waited out: nothing is thrown away for it.
fn is_about_what_was_said(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

#[cfg(test)]
pub(super) struct Entered(mpsc::UnboundedReceiver<Entry>);

/// A ledger that the test reads itself.
#[cfg(test)]
pub(super) fn to_be_read() -> (Ledger, Entered) {
    let (sender, entries) = mpsc::unbounded_channel();
    (Ledger(sender), Entered(entries))
}

#[cfg(test)]
impl Iterator for Entered {
    type Item = EndedCall;

    fn next(&mut self) -> Option<EndedCall> {
        match self.0.try_recv() {
            Ok(Entry::Ended(call)) => Some(*call),
            _ => None,
        }
    }
}
