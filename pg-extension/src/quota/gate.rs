use pgrx::pg_sys;

use super::key::Key;

/// Tells these locks from `pg_advisory_lock`'s, which have 1 or 2 in this field.
const SPLITS: u16 = 0xA1A6;

/// The right to add slots to a meter, until the transaction ends. Does not wait for it.
pub fn try_split(key: &Key) -> bool {
    let fingerprint = key.fingerprint();
    let tag = pg_sys::LOCKTAG {
        // SAFETY: set once, when the session starts.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.into(),
        locktag_field2: (fingerprint >> 32) as u32,
        locktag_field3: fingerprint as u32,
        locktag_field4: SPLITS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    };
    // SAFETY: the lock belongs to the transaction, whichever way it ends.
    let result = unsafe {
        pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, false, true)
    };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}
