//! Writes down what calls took: many at once, after they were answered, and again until the database has taken it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;

use super::asides::{self, Aside, Room, Waiting};
use super::block::{LastBlock, Part};
use super::ended_call::{Cap, EndedCall};
use super::journal::{Journal, Left, Seen};
use super::places::Place;
use super::purses::Purses;
use crate::database::Database;

/// Calls in one transaction.
const BATCH: usize = 500;
/// Entries that are taken at once.
const MOST_ENTRIES: usize = 10_000;
/// Between two writes: what ends meanwhile is written together.
const GATHERING: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked for blocks that nobody uses.
const TIDYING: Duration = Duration::from_secs(1);

enum Entry {
    Ended(Box<Pending>),
    /// Set aside for a call that is not made.
    Unused(Vec<LastBlock>),
    Aside(Box<Waiting>),
    /// Answered once everything that was entered before is in the database.
    Flush(oneshot::Sender<()>),
}

struct Pending {
    call: EndedCall,
    /// None: of another process, that died.
    place: Option<Place>,
}

/// Where meters enter what their calls took. Nobody waits there.
#[derive(Clone)]
pub struct Ledger {
    entries: mpsc::UnboundedSender<Entry>,
    pub(super) purses: Arc<Purses>,
    journal: Option<Arc<Journal>>,
    room: Room,
}

/// Carries from the ledger into the database. It is to be run once.
pub struct Keeper {
    entries: mpsc::UnboundedReceiver<Entry>,
    database: Database,
    purses: Arc<Purses>,
    journal: Option<Arc<Journal>>,
    /// Not in the database.
    pending: Vec<Pending>,
    last_blocks: Vec<LastBlock>,
    asides: Vec<Waiting>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Ledger {
    /// With a journal in this directory, with places for so many calls. Where it cannot be made, what calls took is kept in memory.
    pub fn new(database: Database, directory: Option<PathBuf>, calls: usize) -> (Self, Keeper) {
        let (journal, left) = open(directory, calls).unzip();
        let Left { calls, blocks } = left.unwrap_or_default();
        let (sender, entries) = mpsc::unbounded_channel();
        let purses = Arc::<Purses>::default();
        let pending = calls.into_iter().map(|call| Pending { call, place: None });
        let keeper = Keeper {
            entries,
            database,
            purses: purses.clone(),
            journal: journal.clone(),
            pending: pending.collect(),
            last_blocks: blocks,
            asides: Vec::new(),
            flushes: Vec::new(),
        };
        let ledger = Self {
            entries: sender,
            purses,
            journal,
            room: Room::default(),
        };
        (ledger, keeper)
    }

    pub(super) fn begins(&self, place: &Place, call: &EndedCall) {
        if let Some(journal) = &self.journal {
            journal.begins(place.number(), call);
        }
    }

    pub(super) fn moves_on(&self, place: &Place, seen: &Seen) {
        if let Some(journal) = &self.journal {
            journal.moves_on(place.number(), seen);
        }
    }

    /// So many of its tokens are of the blocks that it has drawn from, and it is over.
    pub(super) fn enter(&self, mut call: EndedCall, place: Place) {
        let took = call.input_tokens.saturating_add(call.output_tokens);
        call.blocks = self.purses.put_back(call.tenant_id, &call.blocks, took);
        if let Some(journal) = &self.journal {
            journal.has_ended(place.number(), &call);
        }
        let pending = Pending {
            call,
            place: Some(place),
        };
        if self.entries.send(Entry::Ended(Box::new(pending))).is_err() {
            // Only while the service ends, and what is left of requests is being thrown away. Where there is a journal, the next process reads it.
            tracing::error!("what a call took cannot be written down any more");
        }
    }

    /// A call is not made.
    pub(super) fn give_back(&self, tenant_id: Uuid, caps: Vec<Cap>) {
        let unused = caps.into_iter().map(|Cap { meter, id }| LastBlock {
            tenant_id,
            id,
            meter: meter.into(),
        });
        // Where nobody listens any more it is given back when its lease is over.
        let _ = self.entries.send(Entry::Unused(unused.collect()));
    }

    /// Beside what is paid for.
    pub(super) fn keep(&self, aside: Aside) {
        match self.room.enter(aside) {
            // Where nobody listens any more it is not kept.
            Some(waiting) => drop(self.entries.send(Entry::Aside(Box::new(waiting)))),
            None => asides::lost(1),
        }
    }

    pub(super) fn holds(&self, tenant: Uuid, block: &Part) {
        if let Some(journal) = &self.journal {
            journal.holds(tenant, block.id);
        }
    }

    /// Waits until everything that was entered before is in the database, and no block is held that nobody uses; or the time is over. Whether it is.
    pub async fn flush(&self, within: Duration) -> bool {
        let (done, is_done) = oneshot::channel();
        self.entries.send(Entry::Flush(done)).is_ok()
            && matches!(tokio::time::timeout(within, is_done).await, Ok(Ok(())))
    }
}

fn open(directory: Option<PathBuf>, calls: usize) -> Option<(Arc<Journal>, Left)> {
    let directory = directory?;
    match Journal::open(&directory, calls) {
        Ok((journal, left)) => {
            if !left.calls.is_empty() || !left.blocks.is_empty() {
                tracing::info!(
                    calls = left.calls.len(),
                    blocks = left.blocks.len(),
                    "took over what another process could not write down"
                );
            }
            Some((Arc::new(journal), left))
        }
        Err(error) => {
            tracing::error!(
                %error, directory = %directory.display(),
                "AIAS_SPOOL_DIR cannot be used; what calls took is kept in memory alone"
            );
            None
        }
    }
}

impl Keeper {
    /// Until there is no ledger any more.
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut not_before = Instant::now();
        let mut entries = Vec::new();
        let mut tidying = interval(TIDYING);
        tidying.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = self.entries.recv_many(&mut entries, MOST_ENTRIES) => {
                    if count == 0 {
                        return;
                    }
                    self.take(&mut entries);
                }
                () = sleep_until(not_before), if self.has_something_to_say() => {}
                _ = tidying.tick() => self.last_blocks.extend(self.purses.idle(false)),
            }
            if Instant::now() < not_before || !self.has_something_to_say() {
                continue;
            }
            match self.write().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    // There may be a batch of them already.
                    not_before = match self.entries.len() < BATCH {
                        true => Instant::now() + GATHERING,
                        false => Instant::now(),
                    };
                    self.flushes.drain(..).for_each(|flush| {
                        // Nobody waits any more.
                        let _ = flush.send(());
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, calls = self.pending.len(), "what calls took cannot be written down at the moment; it is kept");
                    if let Some(journal) = &self.journal {
                        journal.sync();
                    }
                    not_before = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            metrics::gauge!("aias_edge_model_calls_unsettled").set(self.pending.len() as f64);
        }
    }

    fn has_something_to_say(&self) -> bool {
        !self.pending.is_empty()
            || !self.last_blocks.is_empty()
            || !self.asides.is_empty()
            || !self.flushes.is_empty()
    }

    fn take(&mut self, entries: &mut Vec<Entry>) {
        for entry in entries.drain(..) {
            match entry {
                Entry::Ended(pending) => {
                    let EndedCall {
                        tenant_id, blocks, ..
                    } = &pending.call;
                    self.last_blocks
                        .extend(self.purses.leave(*tenant_id, blocks));
                    self.pending.push(*pending);
                }
                Entry::Unused(blocks) => self.last_blocks.extend(blocks),
                Entry::Aside(waiting) => self.asides.push(*waiting),
                Entry::Flush(done) => {
                    self.last_blocks.extend(self.purses.idle(true));
                    self.flushes.push(done);
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), sqlx::Error> {
        while !self.pending.is_empty() || !self.last_blocks.is_empty() {
            let written = self.pending.len().min(BATCH);
            // A block ends with or after the calls that have drawn from it, which were entered before.
            let is_all = written == self.pending.len();
            let blocks = if is_all { self.last_blocks.len() } else { 0 };
            let calls: Vec<&EndedCall> = self.pending[..written]
                .iter()
                .map(|one| &one.call)
                .collect();
            match self
                .database
                .end_model_calls(&calls, &self.last_blocks[..blocks])
                .await
            {
                Ok(()) => {}
                Err(error) if !is_about_what_was_said(&error) => return Err(error),
                // One of them cannot be written; the others are not to wait for it.
                Err(_) => self.write_each(written, blocks).await?,
            }
            self.forget(written, blocks);
        }
        if let Some(journal) = &self.journal {
            journal.forget_the_dead();
        }
        // What somebody pays for goes first.
        if !self.asides.is_empty() {
            asides::write(&self.database, std::mem::take(&mut self.asides)).await;
        }
        Ok(())
    }

    /// The first of those that are pending, each by itself. What the database refuses is told to the log in full: it is somebody's money.
    async fn write_each(&self, calls: usize, blocks: usize) -> Result<(), sqlx::Error> {
        for one in &self.pending[..calls] {
            self.write_one(&[&one.call], &[]).await?;
        }
        for block in &self.last_blocks[..blocks] {
            self.write_one(&[], std::slice::from_ref(block)).await?;
        }
        Ok(())
    }

    async fn write_one(
        &self,
        calls: &[&EndedCall],
        blocks: &[LastBlock],
    ) -> Result<(), sqlx::Error> {
        match self.database.end_model_calls(calls, blocks).await {
            Err(error) if is_about_what_was_said(&error) => {
                metrics::counter!("aias_edge_model_calls_refused_total").increment(1);
                tracing::error!(%error, ?calls, ?blocks, "the database does not take what a call took");
                Ok(())
            }
            result => result,
        }
    }

    fn forget(&mut self, calls: usize, blocks: usize) {
        for Pending { place, .. } in self.pending.drain(..calls) {
            if let (Some(journal), Some(place)) = (&self.journal, &place) {
                journal.is_written_down(place.number());
            }
        }
        for block in self.last_blocks.drain(..blocks) {
            if let Some(journal) = &self.journal {
                journal.holds_no_longer(block.id);
            }
        }
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
    let (entries, entered) = mpsc::unbounded_channel();
    let ledger = Ledger {
        entries,
        purses: Arc::default(),
        journal: None,
        room: Room::default(),
    };
    (ledger, Entered(entered))
}

#[cfg(test)]
impl Iterator for Entered {
    type Item = EndedCall;

    fn next(&mut self) -> Option<EndedCall> {
        match self.0.try_recv() {
            Ok(Entry::Ended(pending)) => Some(pending.call),
            _ => None,
        }
    }
}
