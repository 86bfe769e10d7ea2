//! What Postgres tells a trigger of the row that has changed.

use std::ffi::CStr;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::row::Row;
use crate::door::Call;
use crate::fault::raise;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Insert,
    Update,
    Delete,
}

impl Operation {
    /// Behind the table's name.
    pub fn suffix(self) -> &'static [u8] {
        match self {
            Operation::Insert => b".insert",
            Operation::Update => b".update",
            Operation::Delete => b".delete",
        }
    }
}

pub struct Change {
    pub operation: Operation,
    data: *mut pg_sys::TriggerData,
}

impl Change {
    /// Refuses all but a trigger after each row, whose arguments name the columns of the tenant and of the row's key.
    pub fn of(call: Call) -> Self {
        // SAFETY: a trigger's function is called with its data as context, and what these point to is there until it returns.
        unsafe {
            if !pgrx::trigger_support::called_as_trigger(call.0) {
                wrongly_used();
            }
            let data: *mut pg_sys::TriggerData = (*call.0).context.cast();
            let event = (*data).tg_event;
            let is_after_row = event & pg_sys::TRIGGER_EVENT_ROW != 0
                && event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER;
            if !is_after_row || (*(*data).tg_trigger).tgnargs != 2 {
                wrongly_used();
            }
            let operation = match event & pg_sys::TRIGGER_EVENT_OPMASK {
                pg_sys::TRIGGER_EVENT_INSERT => Operation::Insert,
                pg_sys::TRIGGER_EVENT_UPDATE => Operation::Update,
                _ => Operation::Delete,
            };
            Change { operation, data }
        }
    }

    /// As it is now; of a deleted one, as it was.
    pub fn row(&self) -> Row {
        // SAFETY: as in `of`. An update has a second row.
        unsafe {
            let tuple = match self.operation {
                Operation::Update => (*self.data).tg_newtuple,
                Operation::Insert | Operation::Delete => (*self.data).tg_trigtuple,
            };
            Row::read((*self.data).tg_relation, tuple)
        }
    }

    /// As an update found it.
    pub fn old_row(&self) -> Row {
        // SAFETY: as in `of`.
        unsafe { Row::read((*self.data).tg_relation, (*self.data).tg_trigtuple) }
    }

    pub fn argument(&self, index: usize) -> &CStr {
        // SAFETY: as in `of`, which has counted them. They end in zero.
        unsafe { CStr::from_ptr(*(*(*self.data).tg_trigger).tgargs.add(index)) }
    }

    /// The table's name, in the encoding of its database.
    pub fn table(&self) -> &[u8] {
        // SAFETY: as in `of`; a name ends in zero.
        let name =
            unsafe { CStr::from_ptr((*(*(*self.data).tg_relation).rd_rel).relname.data.as_ptr()) };
        name.to_bytes()
    }
}

fn wrongly_used() -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        "aias.record_change() is for triggers after insert, update or delete for each row, with the names of two columns: the tenant's and the key's",
    )
}
