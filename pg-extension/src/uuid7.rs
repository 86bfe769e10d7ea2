use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use pgrx::prelude::*;

use crate::fault::raise;

thread_local! {
    /// The last time that this session put into a UUID, in 1/4096 ms since 1970.
    static LAST: Cell<u64> = const { Cell::new(0) };
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { bytes: [0; 512], used: 0, process: 0 }) };
}

/// A UUID that sorts by time: RFC 9562 version 7, with a sub-millisecond fraction where the RFC allows a counter (method 3).
///
/// Within a session each is greater than the one before, even when the clock stands still or steps back.
#[pg_extern(volatile, strict, parallel_safe)]
fn uuid7() -> pgrx::Uuid {
    next()
}

/// The next UUID of this session.
pub fn next() -> pgrx::Uuid {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let ticks = (now * 4096 / 1_000_000) as u64;
    let ticks = ticks.max(LAST.get() + 1);
    LAST.set(ticks);

    let random = RANDOM.with_borrow_mut(Random::next);
    pgrx::Uuid::from_bytes(assemble(ticks, random))
}

/// Strong random bytes, fetched for many UUIDs at once: asking for them costs the same as ten UUIDs do otherwise.
struct Random {
    bytes: [u8; 512],
    used: usize,
    /// Whose they are: a process that is forked off has to fetch its own.
    process: i32,
}

impl Random {
    fn next(&mut self) -> [u8; 8] {
        // SAFETY: reads a variable that is set when the process starts.
        let process = unsafe { pg_sys::MyProcPid };
        if self.process != process || self.used == self.bytes.len() {
            // Not ours until they are there.
            self.process = 0;
            // SAFETY: the buffer is as long as the length says.
            let strong = unsafe {
                pg_sys::pg_strong_random(self.bytes.as_mut_ptr().cast(), self.bytes.len())
            };
            if !strong {
                raise(
                    PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                    "could not get random bytes for a UUID",
                );
            }
            self.process = process;
            self.used = 0;
        }
        let mut random = [0u8; 8];
        random.copy_from_slice(&self.bytes[self.used..self.used + 8]);
        self.used += 8;
        random
    }
}

/// `ticks` are 1/4096 ms: 48 bits of milliseconds, then 12 bits of fraction.
fn assemble(ticks: u64, random: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&(ticks >> 12).to_be_bytes()[2..]);
    let fraction = (ticks & 0xfff) as u16;
    bytes[6..8].copy_from_slice(&(0x7000 | fraction).to_be_bytes());
    bytes[8..].copy_from_slice(&random);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    bytes
}
