//! Work that is undone as a whole, row locks included, when it does not come out.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pgrx::pg_sys;

/// Runs `work` in a subtransaction, which is kept when `work` answers `Some` and undone when it answers `None` or fails.
///
/// Undoing is the only way to let go of a row lock before the transaction ends.
pub fn attempt<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    // SAFETY: the sequence of PL/pgSQL's exception blocks: the context and the resource owner are put back whichever way it ends.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);

        let outcome = catch_unwind(AssertUnwindSafe(work));

        if matches!(outcome, Ok(Some(_))) {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        match outcome {
            Ok(answer) => answer,
            Err(error) => resume_unwind(error),
        }
    }
}
