//! A thread that has worked for a while lets others have its processor.
//!
//! While there is a backlog the worker's threads never sleep, and the kernel looks at its tick alone, each 4 ms or so, whether somebody else on the same machine waits for the
//! processor: a session of Postgres, or the thread of [`crate::express`]. In the sessions that write batches the extension sees to it, with a timer
//! (`pg-extension/src/give_way/slice.rs`).

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// As long as the extension's.
const LENGTH: Duration = Duration::from_micros(200);

thread_local! {
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Between two pieces of work. Where nobody waits it takes a microsecond of each slice.
pub fn pause() {
    SINCE.with(|since| {
        if since.get().is_none_or(|since| since.elapsed() >= LENGTH) {
            std::thread::yield_now();
            since.set(Some(Instant::now()));
        }
    });
}

/// Pauses after each turn of a future.
pub fn sliced<F: Future>(future: F) -> Sliced<F> {
    Sliced(Box::pin(future))
}

pub struct Sliced<F>(Pin<Box<F>>);

impl<F: Future> Future for Sliced<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let polled = self.0.as_mut().poll(context);
        pause();
        polled
    }
}
