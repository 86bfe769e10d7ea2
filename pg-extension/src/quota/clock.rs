use pgrx::pg_sys;

/// The time at this moment, and not at the start of the transaction: what is admitted now counts in the period that holds now.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}
