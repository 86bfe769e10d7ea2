//! The table `aias.quota_slots`, read and written without SPI.
//!
//! A take is one index look-up and one heap update, a few microseconds; planning and running the same as a statement costs several times
//! that, and could not say "skip what another transaction holds, but wait when everything is held" in one. Postgres itself treats its
//! catalogs this way, by the same functions. What is used here: `systable_*` to find a row, `heap_lock_tuple` and `heap_update` to change
//! it under the ordinary row locks. So commits, rollbacks, crashes, replication and `update` statements mean what they always do.

use std::ptr::{addr_of_mut, null_mut};

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::prelude::*;

use super::key::Key;
use super::slot::Slot;
use crate::fault::raise;

mod columns;
mod holder;
mod snapshot;

use columns::Columns;
pub use holder::Holder;
pub use snapshot::Snapshot;

/// A slot as one snapshot shows it, and who holds it.
#[derive(Clone, Copy)]
pub struct Row {
    pub slot: Slot,
    pub holder: Holder,
    tid: pg_sys::ItemPointerData,
}

/// How an attempt to change or to lock a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Done,
    /// Another transaction holds the row.
    Busy,
    /// The row is not any more what the snapshot showed: look again.
    Stale,
}

/// The open table. Its lock lasts until the transaction ends, as after any `update`.
pub struct SlotTable {
    relation: pg_sys::Relation,
    index: Oid,
}

impl SlotTable {
    pub fn open() -> Self {
        // SAFETY: plain catalog look-ups by name, then the ordinary way to open a table for writing.
        unsafe {
            let schema = pg_sys::get_namespace_oid(c"aias".as_ptr(), false);
            let table = pg_sys::get_relname_relid(c"quota_slots".as_ptr(), schema);
            let index = pg_sys::get_relname_relid(c"quota_slots_pkey".as_ptr(), schema);
            if table == Oid::INVALID || index == Oid::INVALID {
                raise(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                    "the table aias.quota_slots is missing; is the extension aias installed as a whole?",
                );
            }
            SlotTable {
                relation: pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE),
                index,
            }
        }
    }

    /// One slot of a meter.
    pub fn find(&self, key: &Key, number: i16, snapshot: &Snapshot) -> Option<Row> {
        let mut found = None;
        self.scan(key, Some(number), snapshot, |row| found = Some(row));
        found
    }

    /// All slots of a meter, in slot order.
    pub fn all(&self, key: &Key, snapshot: &Snapshot) -> Vec<Row> {
        let mut rows = Vec::new();
        self.scan(key, None, snapshot, |row| rows.push(row));
        rows
    }

    fn scan(
        &self,
        key: &Key,
        number: Option<i16>,
        snapshot: &Snapshot,
        mut visit: impl FnMut(Row),
    ) {
        // SAFETY: the keys match the columns' types and the index's order; a row is read before the scan moves on and lets go of its page.
        unsafe {
            let mut keys = [pg_sys::ScanKeyData::default(); 3];
            let conditions = columns::conditions(key, number);
            let count = if number.is_some() { 3 } else { 2 };
            for (scan_key, (column, function, value)) in keys.iter_mut().zip(conditions) {
                pg_sys::ScanKeyInit(
                    scan_key,
                    column,
                    pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                    function.into(),
                    value,
                );
            }
            let scan = pg_sys::systable_beginscan(
                self.relation,
                self.index,
                true,
                snapshot.as_ptr(),
                count,
                keys.as_mut_ptr(),
            );
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                visit(Row {
                    slot: Columns::read((*self.relation).rd_att, tuple),
                    holder: Holder::of(tuple),
                    tid: (*tuple).t_self,
                });
            }
            pg_sys::systable_endscan(scan);
        }
    }

    /// Locks a row until the (sub)transaction ends, unless another transaction holds it.
    pub fn lock(&self, row: &Row) -> Attempt {
        // SAFETY: the row was read from this table; the buffer that comes back pinned is let go of.
        unsafe {
            let mut tuple = pg_sys::HeapTupleData {
                t_self: row.tid,
                ..Default::default()
            };
            let mut buffer: pg_sys::Buffer = 0;
            let mut failure = pg_sys::TM_FailureData::default();
            let result = pg_sys::heap_lock_tuple(
                self.relation,
                &mut tuple,
                pg_sys::GetCurrentCommandId(true),
                pg_sys::LockTupleMode::LockTupleNoKeyExclusive,
                pg_sys::LockWaitPolicy::LockWaitSkip,
                false,
                &mut buffer,
                &mut failure,
            );
            if buffer != 0 {
                pg_sys::ReleaseBuffer(buffer);
            }
            match result {
                pg_sys::TM_Result::TM_Ok => Attempt::Done,
                pg_sys::TM_Result::TM_WouldBlock | pg_sys::TM_Result::TM_BeingModified => {
                    Attempt::Busy
                }
                _ => Attempt::Stale,
            }
        }
    }

    /// Writes a new version of a row. Waits when another transaction has got hold of it since it was read, so a caller that must not wait
    /// locks first.
    pub fn update(&self, key: &Key, row: &Row, slot: &Slot) -> Attempt {
        // SAFETY: the new tuple has the table's row type, and the row was read from this table.
        unsafe {
            let tuple = Columns::form((*self.relation).rd_att, key, slot);
            let mut tid = row.tid;
            let mut failure = pg_sys::TM_FailureData::default();
            let mut lock_mode: pg_sys::LockTupleMode::Type = 0;
            #[cfg(not(feature = "pg15"))]
            let mut indexes: pg_sys::TU_UpdateIndexes::Type = 0;
            let result = pg_sys::heap_update(
                self.relation,
                &mut tid,
                tuple,
                pg_sys::GetCurrentCommandId(true),
                null_mut(),
                true,
                &mut failure,
                &mut lock_mode,
                #[cfg(not(feature = "pg15"))]
                &mut indexes,
            );
            if result != pg_sys::TM_Result::TM_Ok {
                return Attempt::Stale;
            }
            // A heap-only tuple is found through its predecessor; any other needs entries of its own.
            if (*(*tuple).t_data).t_infomask2 & pg_sys::HEAP_ONLY_TUPLE as u16 == 0 {
                self.index(key, slot.number, tuple, true);
            }
            pg_sys::heap_freetuple(tuple);
            // The next look at the table, perhaps in the same statement, must see the change.
            pg_sys::CommandCounterIncrement();
            Attempt::Done
        }
    }

    pub fn insert(&self, key: &Key, slot: &Slot) {
        // SAFETY: the tuple has the table's row type.
        unsafe {
            let tuple = Columns::form((*self.relation).rd_att, key, slot);
            pg_sys::simple_heap_insert(self.relation, tuple);
            self.index(key, slot.number, tuple, false);
            pg_sys::heap_freetuple(tuple);
            pg_sys::CommandCounterIncrement();
        }
    }

    /// Deletes a row that this transaction has locked.
    pub fn delete(&self, row: &Row) {
        // SAFETY: the row was read from this table, and is locked, so that nobody else changes it meanwhile.
        unsafe {
            let mut tid = row.tid;
            pg_sys::simple_heap_delete(self.relation, &mut tid);
            pg_sys::CommandCounterIncrement();
        }
    }

    /// Enters a tuple into the table's one index, its primary key.
    unsafe fn index(&self, key: &Key, number: i16, tuple: pg_sys::HeapTuple, is_update: bool) {
        // SAFETY: the values are the index's columns in order, and the tuple is in the heap.
        unsafe {
            let index =
                pg_sys::index_open(self.index, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
            let mut values: [Datum; 3] = [key.tenant_datum(), key.meter_datum(), number.into()];
            let mut nulls = [false; 3];
            pg_sys::index_insert(
                index,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
                addr_of_mut!((*tuple).t_self),
                self.relation,
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES,
                is_update,
                pg_sys::BuildIndexInfo(index),
            );
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
    }

    /// Waits until a transaction has ended.
    pub fn wait_for(&self, transaction: pg_sys::TransactionId, row: &Row) {
        let mut tid = row.tid;
        // SAFETY: the table and the row serve only to say in an error or in pg_locks what is waited for.
        unsafe {
            pg_sys::XactLockTableWait(
                transaction,
                self.relation,
                &mut tid,
                pg_sys::XLTW_Oper::XLTW_Update,
            );
        }
    }
}

impl Drop for SlotTable {
    fn drop(&mut self) {
        // After an error the transaction's abort closes it.
        if !std::thread::panicking() {
            // SAFETY: it was opened by `open` and is closed once.
            unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
        }
    }
}
