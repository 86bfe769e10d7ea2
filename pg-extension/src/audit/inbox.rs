//! The table audit.inbox, written without SPI.
//!
//! A row goes in by the functions by which Postgres writes its own catalogs, which ask for no privilege: whoever changes a row need not be able
//! to write the log. They fill in no default and check no constraint, so the columns are compared with those that are known here.

use std::ffi::CStr;

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::prelude::*;

use crate::fault::raise;
use crate::uuid7;

/// In the order in which the migrations declare them.
const COLUMNS: [(&CStr, Oid); 11] = [
    (c"tenant_id", pg_sys::UUIDOID),
    (c"id", pg_sys::UUIDOID),
    (c"at", pg_sys::TIMESTAMPTZOID),
    (c"actor_kind", pg_sys::TEXTOID),
    (c"actor_id", pg_sys::UUIDOID),
    (c"action", pg_sys::TEXTOID),
    (c"subject", pg_sys::TEXTOID),
    (c"subject_id", pg_sys::TEXTOID),
    (c"before", pg_sys::JSONBOID),
    (c"after", pg_sys::JSONBOID),
    (c"request_id", pg_sys::TEXTOID),
];

/// What an entry says beside its id and time.
pub struct Entry {
    pub tenant: Option<Datum>,
    pub actor_kind: Option<Datum>,
    pub actor_id: Option<Datum>,
    pub action: Option<Datum>,
    pub subject: Option<Datum>,
    pub subject_id: Option<Datum>,
    pub before: Option<Datum>,
    pub after: Option<Datum>,
    pub request_id: Option<Datum>,
}

/// The open table. Its lock lasts until the transaction ends, as after any `insert`.
pub struct Inbox {
    relation: pg_sys::Relation,
}

impl Inbox {
    pub fn open() -> Self {
        // SAFETY: catalog look-ups by name, then the ordinary way to open a table for writing.
        unsafe {
            let schema = pg_sys::get_namespace_oid(c"audit".as_ptr(), true);
            let table = pg_sys::get_relname_relid(c"inbox".as_ptr(), schema);
            if table == Oid::INVALID {
                raise(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                    "the table audit.inbox is missing: changes are written down there; have the migrations run?",
                );
            }
            let inbox = Inbox {
                relation: pg_sys::table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE),
            };
            inbox.check_columns();
            inbox
        }
    }

    /// Each time: what is put into a column of another type could be read as an address.
    unsafe fn check_columns(&self) {
        // SAFETY: the table is open, and has as many columns as it says.
        let is_known = unsafe {
            let description = (*self.relation).rd_att;
            let about = (*self.relation).rd_rel;
            (*about).relkind as u8 == pg_sys::RELKIND_RELATION
                && (*about).relam == pg_sys::HEAP_TABLE_AM_OID
                && (*description).natts as usize == COLUMNS.len()
                && COLUMNS.iter().zip(0..).all(|((name, kind), index)| {
                    let found = column(description, index);
                    CStr::from_ptr((*found).attname.data.as_ptr()) == *name
                        && (*found).atttypid == *kind
                })
        };
        if !is_known {
            raise(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                "audit.inbox is not the table that the extension aias knows: the two have to be changed together",
            );
        }
    }

    /// Whose rights statements beside it run with.
    pub fn owner(&self) -> Oid {
        // SAFETY: the table is open.
        unsafe { (*(*self.relation).rd_rel).relowner }
    }

    pub fn enter(&self, entry: &Entry) {
        // SAFETY: reads a variable: `now()`.
        let now = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
        let values = [
            entry.tenant,
            uuid7::next().into_datum(),
            Some(Datum::from(now)),
            entry.actor_kind,
            entry.actor_id,
            entry.action,
            entry.subject,
            entry.subject_id,
            entry.before,
            entry.after,
            entry.request_id,
        ];
        if entry.tenant.is_none() {
            raise(
                PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION,
                "a change of a row without a tenant cannot be written down",
            );
        }
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(Datum::null()));
        // SAFETY: each column has a value of its type, or is null where it may be.
        unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::CatalogTupleInsert(self.relation, tuple);
            // What runs next, perhaps another trigger of the same statement, sees the entry.
            pg_sys::CommandCounterIncrement();
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // After an error the transaction's abort closes it.
        if !std::thread::panicking() {
            // SAFETY: it was opened by `open` and is closed once.
            unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
        }
    }
}

/// # Safety
/// There is a column of that index, counted from 0.
#[cfg(feature = "pg18")]
unsafe fn column(
    description: pg_sys::TupleDesc,
    index: usize,
) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: as above; they stand behind the short ones, of which there are as many: TupleDescAttr in Postgres's `access/tupdesc.h`.
    unsafe {
        let short = (*description).compact_attrs.as_ptr();
        let columns: *const pg_sys::FormData_pg_attribute =
            short.add((*description).natts as usize).cast();
        columns.add(index)
    }
}

/// # Safety
/// There is a column of that index, counted from 0.
#[cfg(not(feature = "pg18"))]
unsafe fn column(
    description: pg_sys::TupleDesc,
    index: usize,
) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: as above.
    unsafe { (*description).attrs.as_ptr().add(index) }
}
