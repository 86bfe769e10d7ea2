use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use crate::fault::raise;

/// A spin lock in shared memory, to be held for some tens of nanoseconds in which nothing can raise an error or look for interrupts.
///
/// Postgres's signal handlers only note what was asked, except for SIGQUIT, which ends the process on the spot. So a holder lets go
/// whatever it is told, unless it is killed; and of a child that was killed the postmaster knows that it may have left shared memory in
/// any state: it ends all others, by SIGQUIT, which reaches those who wait here too, and makes shared memory anew (`restart_after_crash` in
/// <https://www.postgresql.org/docs/current/runtime-config-error-handling.html>, `HandleChildCrash` in `postmaster.c`). Zero is unlocked.
#[repr(transparent)]
pub struct Spin(AtomicU32);

/// Lets go when it is dropped.
pub struct Held<'a>(&'a AtomicU32);

/// Looks so often in a row while its holder is probably at work on another processor.
const LOOKS: u32 = 100;
/// Then so often with the processor offered to whoever wants it, since that may be the holder.
const YIELDS: u32 = 100;
/// Who waits so long waits for a process that is stopped, or is gone together with the postmaster.
const PATIENCE: Duration = Duration::from_secs(10);

impl Spin {
    /// Raises 55P03 (`lock_not_available`) with a sentence for the caller when it is not let go of.
    pub fn hold(&self, sentence: &str) -> Held<'_> {
        // Nothing is held while waiting: a session that waits can be cancelled.
        self.wait(|| {
            pgrx::check_for_interrupts!();
        })
        .unwrap_or_else(|| raise(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, sentence))
    }

    /// For where no error may be raised, as at the end of a transaction. `None` when it is not let go of.
    pub fn hold_silently(&self) -> Option<Held<'_>> {
        self.wait(|| ())
    }

    fn wait(&self, before_sleep: impl Fn()) -> Option<Held<'_>> {
        let mut tries = 0u32;
        let mut asleep_since = None;
        while self
            .0
            .compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            tries = tries.saturating_add(1);
            if tries <= LOOKS {
                std::hint::spin_loop();
            } else if tries <= LOOKS + YIELDS {
                yield_now();
            } else {
                // The holder was stopped, or runs at a lower priority, to which a yield does not give way.
                before_sleep();
                if asleep_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return None;
                }
                sleep(Duration::from_micros(100));
            }
        }
        Some(Held(&self.0))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}
