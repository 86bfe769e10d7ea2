use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use pgrx::prelude::*;

use crate::fault::raise;

thread_local! {
    /// The last time that this session put into a UUID, in 1/4096 ms since 1970.
    static LAST: Cell<u64> = const { Cell::new(0) };
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

    let mut random = [0u8; 8];
    // SAFETY: the buffer is as long as the length says.
    let strong = unsafe { pg_sys::pg_strong_random(random.as_mut_ptr().cast(), random.len()) };
    if !strong {
        raise(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "could not get random bytes for a UUID",
        );
    }
    pgrx::Uuid::from_bytes(assemble(ticks, random))
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
