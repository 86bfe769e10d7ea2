//! The table private.access, read from an index alone, without SPI.
//!
//! It is what the executor does for `select ... from private.access where principal = $1`, and means the same: one snapshot, which is the statement's;
//! locks that last until the transaction ends; predicate locks under `serializable`; a visit to the heap only where the visibility map
//! cannot say that everybody sees the row.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::prelude::*;

mod entry;
mod scan;

pub use entry::{Entry, Index};

use crate::fault::raise;

/// An open table and one of its indexes.
pub struct Table {
    pub relation: pg_sys::Relation,
    pub index: pg_sys::Relation,
}

impl Table {
    pub fn open(schema: &CStr, table: &CStr, index: &CStr) -> Self {
        const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: catalog look-ups by name, then the ordinary way to open what is read.
        unsafe {
            let schema_id = pg_sys::get_namespace_oid(schema.as_ptr(), true);
            let table_id = pg_sys::get_relname_relid(table.as_ptr(), schema_id);
            let index_id = pg_sys::get_relname_relid(index.as_ptr(), schema_id);
            if table_id == Oid::INVALID || index_id == Oid::INVALID {
                missing(schema, table, index);
            }
            let opened = Table {
                relation: pg_sys::table_open(table_id, LOCK),
                index: pg_sys::index_open(index_id, LOCK),
            };
            let description = (*opened.index).rd_index;
            if (*description).indrelid != table_id || !(*description).indisvalid {
                missing(schema, table, index);
            }
            opened
        }
    }

    /// That a column, which is the index's first, equals a value.
    pub fn condition(&self, column: i16, equals: u32, value: Datum) -> pg_sys::ScanKeyData {
        let mut condition = pg_sys::ScanKeyData::default();
        // SAFETY: the function is a comparison for the column's type. An index has a collation for each of its key columns.
        unsafe {
            pg_sys::ScanKeyInit(
                &mut condition,
                column,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                equals.into(),
                value,
            );
            // ScanKeyInit is for catalogs, whose texts are in the order of their bytes. This index is in an order of its own.
            condition.sk_collation = *(*self.index).rd_indcollation;
        }
        condition
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // After an error the transaction's abort closes it.
        if !std::thread::panicking() {
            const LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;
            // SAFETY: they were opened by `open` and are closed once.
            unsafe {
                pg_sys::index_close(self.index, LOCK);
                pg_sys::table_close(self.relation, LOCK);
            }
        }
    }
}

fn missing(schema: &CStr, table: &CStr, index: &CStr) -> ! {
    let [schema, table, index] = [schema, table, index].map(CStr::to_string_lossy);
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
        format!(
            "the table {schema}.{table} with the index {index} is missing: it says who may do what; have the migrations run?"
        ),
    )
}

/// What the running statement sees.
pub fn snapshot() -> pg_sys::Snapshot {
    // SAFETY: Postgres calls a function with an active snapshot; where it does not, there is none to get.
    unsafe {
        if !pg_sys::ActiveSnapshotSet() {
            raise(
                PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                "who may do what is asked outside of a statement",
            );
        }
        pg_sys::GetActiveSnapshot()
    }
}

/// private.access, by one of its indexes.
pub struct Access(Table);

thread_local! {
    /// The indexes whose columns have been found right. An index never gets other columns, only another id.
    static KNOWN: Cell<[Oid; 2]> = const { Cell::new([Oid::INVALID; 2]) };
}

impl Access {
    pub fn open(index: Index) -> Self {
        let table = Table::open(c"private", c"access", index.name());
        // SAFETY: the index is open.
        let id = unsafe { (*table.index).rd_id };
        let mut known = KNOWN.get();
        if known[index as usize] != id {
            // SAFETY: as above.
            if !unsafe { index.has_its_columns(table.index) } {
                missing(c"private", c"access", index.name());
            }
            known[index as usize] = id;
            KNOWN.set(known);
        }
        Access(table)
    }

    /// Visits the entries of a principal, a `uuid`, that the running statement sees. The visitor does not panic.
    pub fn read(&self, principal: Datum, visit: impl FnMut(Entry)) {
        let mut condition = self.0.condition(1, pg_sys::F_UUID_EQ, principal);
        let snapshot = snapshot();
        // SAFETY: the condition is on the index's first column, and of its type. One guard around all of the scan, instead of pgrx's around each call:
        // that would take as long as the calls. An error of Postgres jumps out of here, and nothing here has to be dropped.
        let is_sound = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                scan::entries(&self.0, &mut condition, snapshot, visit)
            })
        };
        if !is_sound {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                "an entry of private.access has a null in it",
            );
        }
    }
}
