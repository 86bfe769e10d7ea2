//! What a session remembers between calls.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use pgrx::pg_sys;

use super::key::{Key, session_number};

thread_local! {
    /// The last transaction in which this session got hold of a slot.
    static HOLDER: Cell<u32> = const { Cell::new(0) };
    /// How many slots a meter had when this session last looked at all of them.
    static SLOTS: RefCell<HashMap<u64, u16>> = RefCell::new(HashMap::new());
}

/// More meters than this are not remembered, and looking at all slots of one is not much dearer than looking at one of them.
const MOST_REMEMBERED: usize = 4096;

/// Whether this transaction may hold slots already, of whatever meter. Then others may be waiting for it, and it must not simply wait for them.
///
/// After a rollback to a savepoint the answer may be yes though it holds none any more, which costs only patience.
pub fn holds_slots() -> bool {
    // SAFETY: reads the transaction's state.
    let transaction = u32::from(unsafe { pg_sys::GetTopTransactionIdIfAny() });
    transaction != 0 && transaction == HOLDER.get()
}

pub fn remember_holding() {
    // SAFETY: as above; a transaction that has changed a slot has a number.
    HOLDER.set(u32::from(unsafe { pg_sys::GetTopTransactionIdIfAny() }));
}

/// The slot that this session tries first, when it knows how many there are.
pub fn home(key: &Key) -> Option<(usize, usize)> {
    let slots = SLOTS.with_borrow(|slots| slots.get(&key.fingerprint()).copied())?;
    let slots = usize::from(slots).max(1);
    Some((session_number() % slots, slots))
}

pub fn remember_slots(key: &Key, slots: usize) {
    SLOTS.with_borrow_mut(|remembered| {
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key.fingerprint(), u16::try_from(slots).unwrap_or(u16::MAX));
    });
}
