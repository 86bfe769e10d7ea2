//! The store in an unlogged table, where the library is not preloaded.
//!
//! As any change of a row, a request waits for the transaction that changed it before, and is not counted when its own rolls back. Where
//! that matters, preload the library. A transaction that reads only, or a standby, cannot count here and is told so.

use pgrx::IntoDatum;
use pgrx::pg_sys;

use super::gcra::{Decision, Limit};
use crate::statement::{run, statement};

statement!(ADD, [TEXTOID, INT8OID],
    c"insert into aias.rate_limits (key, per, empty_at) values ($1, $2, -9223372036854775808) on conflict do nothing");

statement!(
    LOCK,
    [TEXTOID, INT8OID],
    c"select empty_at from aias.rate_limits where key = $1 and per = $2 for no key update"
);

statement!(
    SET,
    [TEXTOID, INT8OID, INT8OID],
    c"update aias.rate_limits set empty_at = $3 where key = $1 and per = $2"
);

statement!(
    PEEK,
    [TEXTOID, INT8OID],
    c"select empty_at from aias.rate_limits where key = $1 and per = $2"
);

statement!(
    SWEEP,
    [INT8OID, INT8OID],
    c"delete from aias.rate_limits where ctid = any (array( \
        select ctid from aias.rate_limits where empty_at < $1 limit $2 for update skip locked))"
);

/// Decides, and counts when it admits.
pub fn decide(key: &str, limit: &Limit, now: i64, cost: i64) -> Decision {
    // SAFETY: each only raises an error, or not.
    unsafe {
        let name = c"aias.rate_limit without shared memory".as_ptr();
        pg_sys::PreventCommandDuringRecovery(name);
        pg_sys::PreventCommandIfReadOnly(name);
    }
    let (key, window) = (key.into_datum(), limit.window().into_datum());
    let kept = loop {
        if let Some(kept) = run(&LOCK, &[key, window], |rows| rows.integer(0, 1)) {
            break kept;
        }
        // Somebody else may add it first, and a sweep may remove it before it is locked.
        run(&ADD, &[key, window], |_| ());
    };
    let decision = limit.decide(kept, now, cost);
    if limit.changes(kept, &decision) {
        run(&SET, &[key, window, decision.empty_at.into_datum()], |_| ());
    }
    decision
}

/// When the bucket is empty again, without counting anything.
pub fn peek(key: &str, limit: &Limit) -> i64 {
    let arguments = [key.into_datum(), limit.window().into_datum()];
    run(&PEEK, &arguments, |rows| rows.integer(0, 1)).unwrap_or(i64::MIN)
}

/// Removes rows that say the same as no row, at most so many. Answers how many.
pub fn sweep(now: i64, most: i64) -> i64 {
    run(&SWEEP, &[now.into_datum(), most.into_datum()], |rows| {
        rows.processed()
    })
}
