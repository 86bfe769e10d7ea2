//! Notes that this transaction has taken: gone for good when it commits, put back when it does not, be it as a whole or from a savepoint
//! on.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null_mut;

use pgrx::pg_sys::{self, SubTransactionId};
use pgrx::prelude::*;

use super::Note;
use super::shared::NOTES;
use crate::fault::raise;

thread_local! {
    /// Each with the subtransaction whose rollback undoes the taking.
    static TAKEN: RefCell<Vec<(SubTransactionId, Note)>> = const { RefCell::new(Vec::new()) };
    static IS_WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// To be called before the first note is taken.
pub fn watch() {
    if !IS_WATCHING.replace(true) {
        // SAFETY: the functions stay, as does the library.
        unsafe {
            pg_sys::RegisterXactCallback(Some(transaction), null_mut());
            pg_sys::RegisterSubXactCallback(Some(subtransaction), null_mut());
        }
    }
}

pub fn remember(notes: &[Note]) {
    // SAFETY: reads the transaction's state.
    let current = unsafe { pg_sys::GetCurrentSubTransactionId() };
    TAKEN.with_borrow_mut(|taken| taken.extend(notes.iter().map(|note| (current, note.clone()))));
}

/// Called after a transaction has ended, where no error may be raised any more; except before it is prepared, where one may.
#[pg_guard]
unsafe extern "C-unwind" fn transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_COMMIT => TAKEN.set(Vec::new()),
        XACT_EVENT_ABORT => put_back(|_| true),
        // Who ends it later cannot put them back.
        XACT_EVENT_PRE_PREPARE if TAKEN.with_borrow(|taken| !taken.is_empty()) => raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "a transaction that has taken notes cannot be prepared",
        ),
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn subtransaction(
    event: pg_sys::SubXactEvent::Type,
    own: SubTransactionId,
    parent: SubTransactionId,
    _argument: *mut c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_COMMIT_SUB => TAKEN.with_borrow_mut(|taken| {
            for (of, _) in taken.iter_mut().filter(|(of, _)| *of == own) {
                *of = parent;
            }
        }),
        SUBXACT_EVENT_ABORT_SUB => put_back(|of| of == own),
        _ => {}
    }
}

fn put_back(is_undone: impl Fn(SubTransactionId) -> bool) {
    let notes: Vec<Note> = TAKEN.with_borrow_mut(|taken| {
        taken
            .extract_if(.., |(of, _)| is_undone(*of))
            .map(|(_, note)| note)
            .collect()
    });
    NOTES.put_back(&notes);
}
