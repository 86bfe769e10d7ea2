//! How a transaction waits for what others hold.
//!
//! Most hold nothing yet when they must wait, so that nobody waits for them, and they wait in Postgres's lock manager like any other.
//! A transaction that holds a slot from an earlier take is different: two of them may each want what the other holds. It announces that it
//! waits, and looks again every few milliseconds. Of two that wait for each other the older one stays and the younger one is refused: together they want
//! more than there is, so in whichever order they had come one of them would have been refused.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

use super::table::{Holder, Row, SlotTable};

mod announcement;

use announcement::Announcement;
pub use announcement::is_announced;

/// How soon the second look comes.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// One transaction's waiting for one take.
pub struct Waiting {
    holds_slots: bool,
    announcement: Option<Announcement>,
    pauses: Pauses,
}

/// What a wait came to.
pub enum Verdict {
    LookAgain,
    /// What is wanted is held by transactions that wait for this one.
    GiveUp,
}

impl Waiting {
    pub fn new(holds_slots: bool) -> Self {
        Waiting {
            holds_slots,
            announcement: None,
            pauses: Pauses::new(),
        }
    }

    /// Waits for one of `wanted` to be let go of: rows that others hold, most wanted first, of which `needed` is to come.
    pub fn wait(&mut self, table: &SlotTable, wanted: &[&Row], needed: i64) -> Verdict {
        let Some(first) = wanted.first() else {
            // Somebody got in between, and has let go already.
            self.pauses.sleep();
            return Verdict::LookAgain;
        };
        if !self.holds_slots {
            self.wait_for(table, first);
            return Verdict::LookAgain;
        }

        let announcement = self.announcement.get_or_insert_with(Announcement::make);
        let hopeful: Vec<&Row> = wanted
            .iter()
            .copied()
            .filter(|row| !announcement.comes_after(row.holder))
            .collect();
        let hope = hopeful
            .iter()
            .fold(0i64, |sum, row| sum.saturating_add(row.slot.free().max(0)));
        match hopeful.first() {
            Some(row) if hope >= needed => {
                // Other locks may be part of a circle. Only the lock manager sees those, so in the end it takes over.
                if self.pauses.are_long() {
                    self.wait_for(table, row);
                } else {
                    self.pauses.sleep();
                }
                Verdict::LookAgain
            }
            _ => Verdict::GiveUp,
        }
    }

    /// Waits for a moment, because others were quicker.
    pub fn pause(&mut self) {
        self.pauses.sleep();
    }

    fn wait_for(&mut self, table: &SlotTable, row: &Row) {
        match row.holder {
            Holder::Other(transaction) => table.wait_for(transaction, row),
            Holder::Me | Holder::Nobody => self.pauses.sleep(),
        }
    }
}

/// Looking again and again, ever more rarely.
pub struct Pauses {
    began: Option<Instant>,
    next: Duration,
}

impl Pauses {
    pub fn new() -> Self {
        Pauses {
            began: None,
            next: FIRST_PAUSE,
        }
    }

    /// Ends early, by an error, when the statement is cancelled.
    pub fn sleep(&mut self) {
        self.began.get_or_insert_with(Instant::now);
        pgrx::check_for_interrupts!();
        // SAFETY: a plain sleep, which a signal ends.
        unsafe { pg_sys::pg_usleep(self.next.as_micros() as std::ffi::c_long) };
        pgrx::check_for_interrupts!();
        self.next = (self.next * 2).min(LONGEST_PAUSE);
    }

    /// Whether it has gone on for as long as Postgres lets a lock be waited for before it looks for a deadlock.
    pub fn are_long(&self) -> bool {
        self.began
            .is_some_and(|began| began.elapsed() >= deadlock_timeout())
    }
}

fn deadlock_timeout() -> Duration {
    // SAFETY: reads a setting.
    Duration::from_millis(unsafe { pg_sys::DeadlockTimeout }.max(1) as u64)
}
