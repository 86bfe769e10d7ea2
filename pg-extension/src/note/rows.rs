use std::ffi::CString;

use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo};
use pgrx::prelude::*;

use super::Note;
use crate::fault::raise;

/// What `aias.take_notes` answers: rows of `(timestamptz, jsonb)`.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    description: pg_sys::TupleDesc,
    scratch: PgMemoryContexts,
}

impl Rows {
    /// # Safety
    /// The call is one of Postgres's to a function that SQL declares as above.
    pub unsafe fn begin(call: FunctionCallInfo) -> Self {
        // SAFETY: fills in the `ReturnSetInfo`, or raises an error when the caller has no place for a set.
        unsafe {
            pg_sys::InitMaterializedSRF(call, 0);
            let set = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            Rows {
                store: (*set).setResult,
                description: (*set).setDesc,
                scratch: PgMemoryContexts::new("aias.take_notes"),
            }
        }
    }

    pub fn add(&mut self, note: &Note) {
        let Ok(text) = CString::new(note.text.as_slice()) else {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                "a note has a zero byte in it, which JSON cannot have",
            );
        };
        // SAFETY: what is made in the scratch memory is copied before that is emptied. The row is as long as its description.
        unsafe {
            let (store, description) = (self.store, self.description);
            self.scratch.switch_to(|_| {
                let arguments = [Some(Datum::from(text.as_ptr()))];
                let json = pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &arguments);
                let (mut values, mut nulls) = (
                    [Datum::from(note.at), json.unwrap_or(Datum::null())],
                    [false, json.is_none()],
                );
                pg_sys::tuplestore_putvalues(
                    store,
                    description,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
            });
            self.scratch.reset();
        }
    }
}
