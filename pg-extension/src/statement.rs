//! Statements that are planned once in a session.
//!
//! They run as the owner of the tables, with nothing but `pg_catalog` in the search path, as the statements behind foreign keys do. The
//! functions that use them could be declared `security definer` with a `search_path` of their own instead; but then Postgres would
//! switch both at every call, which takes longer than all the rest of a take, and most takes run no statement at all.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr::null_mut;
use std::thread::LocalKey;

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::prelude::*;

use crate::fault::raise;

/// A statement and, once it has run, its plan.
pub struct Statement {
    sql: &'static CStr,
    types: &'static [Oid],
    plan: Cell<pg_sys::SPIPlanPtr>,
}

impl Statement {
    pub const fn new(sql: &'static CStr, types: &'static [Oid]) -> Self {
        Statement {
            sql,
            types,
            plan: Cell::new(null_mut()),
        }
    }

    /// The plan, kept for as long as the session lives. Postgres makes it anew by itself when a table changes.
    unsafe fn plan(&self) -> pg_sys::SPIPlanPtr {
        if self.plan.get().is_null() {
            let mut types = self.types.to_vec();
            // SAFETY: called between SPI_connect and SPI_finish.
            unsafe {
                let plan =
                    pg_sys::SPI_prepare(self.sql.as_ptr(), types.len() as i32, types.as_mut_ptr());
                if plan.is_null() || pg_sys::SPI_keepplan(plan) != 0 {
                    failed(pg_sys::SPI_result);
                }
                self.plan.set(plan);
            }
        }
        self.plan.get()
    }
}

/// Names a statement of this session.
macro_rules! statement {
    ($name:ident, [$($oid:ident),*], $sql:literal) => {
        thread_local! {
            static $name: $crate::statement::Statement = const {
                $crate::statement::Statement::new($sql, &[$(::pgrx::pg_sys::$oid),*])
            };
        }
    };
}
pub(crate) use statement;

/// The rows that a statement returned. What their datums point to is gone when [`run`] comes back.
pub struct Rows {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
    processed: i64,
}

impl Rows {
    pub fn count(&self) -> usize {
        self.count
    }

    /// A value, or `None` for null. Columns count from 1, as in SPI.
    pub fn get(&self, row: usize, column: i32) -> Option<Datum> {
        if row >= self.count || self.table.is_null() {
            return None;
        }
        let mut is_null = false;
        // SAFETY: the row exists, and a column that does not is null.
        let value = unsafe {
            pg_sys::SPI_getbinval(
                *(*self.table).vals.add(row),
                (*self.table).tupdesc,
                column,
                &mut is_null,
            )
        };
        (!is_null).then_some(value)
    }

    /// How many rows a statement without `returning` has changed.
    pub fn processed(&self) -> i64 {
        self.processed
    }

    pub fn integer(&self, row: usize, column: i32) -> Option<i64> {
        self.get(row, column).map(|value| value.value() as i64)
    }

    pub fn text(&self, row: usize, column: i32) -> Option<String> {
        // SAFETY: the statement returns a text in this column.
        self.get(row, column)
            .and_then(|value| unsafe { String::from_datum(value, false) })
    }

    pub fn uuid(&self, row: usize, column: i32) -> Option<pgrx::Uuid> {
        // SAFETY: the statement returns a uuid in this column.
        self.get(row, column)
            .and_then(|value| unsafe { pgrx::Uuid::from_datum(value, false) })
    }
}

/// Runs a statement with the datums of its arguments, and reads what it returns.
pub fn run<R>(
    statement: &'static LocalKey<Statement>,
    arguments: &[Option<Datum>],
    read: impl FnOnce(&Rows) -> R,
) -> R {
    // SAFETY: looks the extension's own tables up.
    run_as(unsafe { owner() }, statement, arguments, read)
}

/// The same with the rights of a role: the owner of the tables that the statement is about.
pub fn run_as<R>(
    role: Oid,
    statement: &'static LocalKey<Statement>,
    arguments: &[Option<Datum>],
    read: impl FnOnce(&Rows) -> R,
) -> R {
    let mut values: Vec<Datum> = arguments
        .iter()
        .map(|argument| argument.unwrap_or(Datum::null()))
        .collect();
    let nulls: Vec<c_char> = arguments
        .iter()
        .map(|argument| if argument.is_some() { b' ' } else { b'n' } as c_char)
        .collect();
    statement.with(|statement| {
        debug_assert_eq!(values.len(), statement.types.len());
        // SAFETY: the sequence that the SPI manual gives. After an error Postgres finishes SPI by itself.
        unsafe {
            let before = Caller::step_aside(role);
            pg_sys::SPI_connect();
            let result = pg_sys::SPI_execute_plan(
                statement.plan(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                false,
                0,
            );
            if result < 0 {
                failed(result);
            }
            let rows = Rows {
                table: pg_sys::SPI_tuptable,
                count: if pg_sys::SPI_tuptable.is_null() {
                    0
                } else {
                    pg_sys::SPI_processed as usize
                },
                processed: i64::try_from(pg_sys::SPI_processed).unwrap_or(i64::MAX),
            };
            let answer = read(&rows);
            pg_sys::SPI_finish();
            before.step_back();
            answer
        }
    })
}

fn failed(code: i32) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        format!("a statement of the extension aias failed with SPI code {code}"),
    )
}

/// Who called, and with which settings.
struct Caller {
    user: Oid,
    security: i32,
    settings: i32,
}

impl Caller {
    /// Makes a role the current user. An error puts everything back, as the end of the (sub)transaction does.
    unsafe fn step_aside(role: Oid) -> Self {
        // SAFETY: the sequence of Postgres's own ri_triggers.c.
        unsafe {
            let mut caller = Caller {
                user: Oid::INVALID,
                security: 0,
                settings: pg_sys::NewGUCNestLevel(),
            };
            pg_sys::GetUserIdAndSecContext(&mut caller.user, &mut caller.security);
            pg_sys::SetUserIdAndSecContext(
                role,
                caller.security | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
            pg_sys::set_config_option(
                c"search_path".as_ptr(),
                c"pg_catalog".as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
            caller
        }
    }

    unsafe fn step_back(self) {
        // SAFETY: as above.
        unsafe {
            pg_sys::AtEOXact_GUC(true, self.settings);
            pg_sys::SetUserIdAndSecContext(self.user, self.security);
        }
    }
}

/// The owner of the extension's tables.
unsafe fn owner() -> Oid {
    // SAFETY: opening a table to read its description.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"aias".as_ptr(), false);
        let table = pg_sys::get_relname_relid(c"quota_meters".as_ptr(), schema);
        let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let owner = (*(*relation).rd_rel).relowner;
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        owner
    }
}
