use pgrx::pg_sys;

use crate::quota::table::Holder;

/// Tells these locks from `pg_advisory_lock`'s, which have 1 or 2 in this field.
const WAITS: u16 = 0xA1A5;

/// A transaction's word that it holds slots and waits for others: an advisory lock on its own number.
pub struct Announcement {
    me: pg_sys::TransactionId,
}

impl Announcement {
    pub fn make() -> Self {
        // SAFETY: the lock belongs to the transaction, so an error lets go of it too.
        unsafe {
            let me = pg_sys::GetTopTransactionId();
            pg_sys::LockAcquire(
                &tag(me),
                pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
                false,
                // It waits at most for another to find out that it is not yet held.
                false,
            );
            Announcement { me }
        }
    }

    /// Whether the holder of a row waits as well, and came first.
    pub fn comes_after(&self, holder: Holder) -> bool {
        let Holder::Other(transaction) = holder else {
            return false;
        };
        // SAFETY: reads the transactions' state.
        let (top, is_older) = unsafe {
            let top = pg_sys::SubTransGetTopmostTransaction(transaction);
            (top, pg_sys::TransactionIdPrecedes(top, self.me))
        };
        is_older && waits(top)
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: it was acquired by `make`.
            unsafe {
                pg_sys::LockRelease(
                    &tag(self.me),
                    pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
                    false,
                );
            }
        }
    }
}

/// Whether a transaction, by any of its numbers, has announced that it waits.
pub fn is_announced(transaction: pg_sys::TransactionId) -> bool {
    // SAFETY: reads the transactions' state.
    waits(unsafe { pg_sys::SubTransGetTopmostTransaction(transaction) })
}

fn waits(transaction: pg_sys::TransactionId) -> bool {
    let mode = pg_sys::ShareLock as pg_sys::LOCKMODE;
    // SAFETY: without waiting, so that it cannot add to a circle; a lock that is got is let go of at once.
    unsafe {
        let result = pg_sys::LockAcquire(&tag(transaction), mode, false, true);
        if result == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return true;
        }
        pg_sys::LockRelease(&tag(transaction), mode, false);
        false
    }
}

fn tag(transaction: pg_sys::TransactionId) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: set once, when the session starts.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.into(),
        locktag_field2: transaction.into(),
        locktag_field3: 0,
        locktag_field4: WAITS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}
