use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{sleep, yield_now};
use std::time::Duration;

/// A spin lock in shared memory, to be held for some tens of nanoseconds in which nothing can raise an error or look for interrupts.
///
/// Postgres's signal handlers only note what was asked, except for SIGQUIT, which ends the process on the spot. So a holder lets go
/// whatever it is told, unless it is killed; and of a child that was killed the postmaster knows that it may have left shared memory in
/// any state: it ends all others, by SIGQUIT, which reaches those who wait here too, and makes shared memory anew
/// (<https://www.postgresql.org/docs/current/server-shutdown.html>, and `HandleChildCrash` in Postgres's `postmaster.c`). Zero is unlocked.
#[repr(transparent)]
pub struct Spin(AtomicU32);

/// Lets go when it is dropped.
pub struct Held<'a>(&'a AtomicU32);

/// Looks so often in a row while its holder is probably at work on another processor.
const LOOKS: u32 = 100;
/// Then so often with the processor offered to whoever wants it, since that may be the holder.
const YIELDS: u32 = 100;

impl Spin {
    pub fn hold(&self) -> Held<'_> {
        let mut tries = 0u32;
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
                // The holder was stopped, or runs at a lower priority, to which a yield does not give way. Nothing is held here: a
                // session that waits can be cancelled.
                pgrx::check_for_interrupts!();
                sleep(Duration::from_micros(100));
            }
        }
        Held(&self.0)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}
