//! A thread that has worked for a while lets others have its processor.
//!
//! While there is a backlog the worker's threads never sleep, and the kernel looks at its tick alone, each 4 ms or so, whether somebody else on the same
//! machine waits for the processor: a session of Postgres, or the thread of `express`. In the sessions that write batches the extension sees to it, with a
//! timer (`pg-extension/src/give_way/slice.rs`).
//!
//! That is for threads that work through batches, which say so by [`start`]. On others a pause is none.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

/// As long as the extension's.
const LENGTH: Duration = Duration::from_micros(200);

thread_local! {
    /// Since when this thread has not slept or paused.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A thread for batches starts. When it is woken, it leaves the processor to whoever has it.
///
/// Results are handed to executions one by one, and each wakes a thread that sleeps. Where that takes the processor at once, it finds the work of some microseconds, sleeps again, and
/// is woken for the next: <https://man7.org/linux/man-pages/man7/sched.7.html>, "SCHED_BATCH".
pub fn start() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: zeros are a parameter, and the only one that this policy takes; it is this thread's own policy.
        unsafe {
            let parameter: libc::sched_param = std::mem::zeroed();
            // One that the system refuses is none: all is as before.
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameter);
        }
    }
    begin();
}

/// When a thread starts to work, and each time that it has slept.
pub fn begin() {
    SINCE.set(Some(Instant::now()));
}

/// Between two pieces of work. Where nobody waits it takes a microsecond of each slice.
pub fn pause() {
    if SINCE.get().is_some_and(|since| since.elapsed() >= LENGTH) {
        std::thread::yield_now();
        begin();
    }
}

/// Pauses after each turn of a future.
pub async fn sliced<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        pause();
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_for_batches_is_one_to_the_system_and_no_other_is() {
        // SAFETY: it asks for this thread's own policy.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let started = std::thread::spawn(move || {
            start();
            policy()
        });
        assert_eq!(started.join().unwrap(), libc::SCHED_BATCH);
        assert_eq!(policy(), libc::SCHED_OTHER);
    }

    #[test]
    fn only_a_thread_that_began_pauses_and_then_begins_anew() {
        pause();
        assert_eq!(SINCE.get(), None);

        begin();
        std::thread::sleep(LENGTH);
        let begun = SINCE.get();
        pause();
        assert!(SINCE.get() > begun);
    }
}
