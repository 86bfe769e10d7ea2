//! A scan of an index alone.
//!
//! These are Postgres's functions as they are, without pgrx's guard around each: whoever calls `entries` guards all of it, and nothing in here
//! panics or needs to be dropped.

use std::ffi::c_int;
use std::ptr::null_mut;

use pgrx::pg_sys::{
    BlockNumber, Buffer, IndexScanDesc, ItemPointer, Relation, ScanDirection, ScanKey, ScanKeyData,
    Snapshot, TupleTableSlot, VISIBILITYMAP_ALL_VISIBLE,
};

use super::{Entry, Table};

unsafe extern "C-unwind" {
    fn index_beginscan(
        table: Relation,
        index: Relation,
        snapshot: Snapshot,
        #[cfg(feature = "pg18")] instrument: *mut pgrx::pg_sys::IndexScanInstrumentation,
        keys: c_int,
        order_bys: c_int,
    ) -> IndexScanDesc;
    fn index_rescan(
        scan: IndexScanDesc,
        keys: ScanKey,
        key_count: c_int,
        order_bys: ScanKey,
        order_by_count: c_int,
    );
    fn index_getnext_tid(scan: IndexScanDesc, direction: ScanDirection::Type) -> ItemPointer;
    fn index_fetch_heap(scan: IndexScanDesc, row: *mut TupleTableSlot) -> bool;
    fn index_endscan(scan: IndexScanDesc);
    fn visibilitymap_get_status(table: Relation, page: BlockNumber, map: *mut Buffer) -> u8;
    fn PredicateLockPage(table: Relation, page: BlockNumber, snapshot: Snapshot);
    fn ReleaseBuffer(buffer: Buffer);
    fn table_slot_create(
        table: Relation,
        list: *mut *mut pgrx::pg_sys::List,
    ) -> *mut TupleTableSlot;
    fn ExecDropSingleTupleTableSlot(row: *mut TupleTableSlot);
}

/// Visits the entries that a snapshot sees, as `IndexOnlyNext` in Postgres's `nodeIndexonlyscan.c` does. False: there was one that cannot be.
///
/// # Safety
/// The condition is on the index's first column and of its type, and the index has its columns. Guarded, as above.
pub unsafe fn entries(
    Table { relation, index }: &Table,
    condition: &mut ScanKeyData,
    snapshot: Snapshot,
    mut visit: impl FnMut(Entry),
) -> bool {
    // SAFETY: the caller's. An entry is read before the scan moves on.
    unsafe {
        let scan = index_beginscan(
            *relation,
            *index,
            snapshot,
            #[cfg(feature = "pg18")]
            null_mut(),
            1,
            0,
        );
        (*scan).xs_want_itup = true;
        index_rescan(scan, condition, 1, null_mut(), 0);
        let mut is_sound = true;
        let mut map: Buffer = 0;
        let mut row: *mut TupleTableSlot = null_mut();
        loop {
            let tid = index_getnext_tid(scan, ScanDirection::ForwardScanDirection);
            if tid.is_null() {
                break;
            }
            let block = (*tid).ip_blkid;
            let page = u32::from(block.bi_hi) << 16 | u32::from(block.bi_lo);
            // Asked anew for each entry: only when the entry is read first and the map second is a row that was just inserted not taken for one
            // that everybody sees.
            let status = visibilitymap_get_status(*relation, page, &mut map);
            if u32::from(status) & VISIBILITYMAP_ALL_VISIBLE != 0 {
                // Under `serializable` what is read is remembered. A visit to the heap does that by itself.
                PredicateLockPage(*relation, page, snapshot);
            } else {
                if row.is_null() {
                    row = table_slot_create(*relation, null_mut());
                }
                if !index_fetch_heap(scan, row) {
                    continue;
                }
            }
            match Entry::of((*scan).xs_itup) {
                Some(entry) => visit(entry),
                None => is_sound = false,
            }
        }
        if map != 0 {
            ReleaseBuffer(map);
        }
        index_endscan(scan);
        if !row.is_null() {
            ExecDropSingleTupleTableSlot(row);
        }
        is_sound
    }
}
