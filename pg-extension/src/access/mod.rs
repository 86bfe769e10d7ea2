//! In which tenants the caller may do something: what policies ask, once a statement.
//!
//! `among` is the condition that a policy makes of it, `claims` says who asks, `permission` which bit a permission is, `table` reads private.access by an index. These tables are the
//! project's, not the extension's: migrations/20261125000200_access.sql makes them and keeps them true. The same in PL/pgSQL is three times as
//! slow, which every read of every table would pay.
//!
//! The tables are read past their privileges, as a `security definer` function would. What is answered depends on nothing but the session's own
//! claims and the permission, and is what the caller's policies tell the caller anyway.

use pgrx::pg_sys::{self, Datum};

mod among;
mod claims;
mod permission;
mod table;

use claims::Session;
use table::{Access, Entry, Index};

use crate::door::{Answer, Call, function};

function!(aias_tenants_with, pg_finfo_aias_tenants_with, tenants_with);
function!(aias_own_tenants, pg_finfo_aias_own_tenants, own_tenants);
function!(
    aias_tenants_asking_for_second_factor,
    pg_finfo_aias_tenants_asking_for_second_factor,
    tenants_asking_for_second_factor
);

fn tenants_with(call: Call) -> Answer {
    let permission = call.required(0, "the permission");
    let session = Session::current();
    // SAFETY: SQL declares the argument as text.
    let bit = unsafe { permission::bit(permission) };
    let (Some(principal), Some(bit)) = (session.principal, bit) else {
        return tenants(&[]);
    };
    let wanted = 1i64.wrapping_shl(bit);
    let now = transaction_start();
    let mut found = Vec::with_capacity(64);
    Access::open(Index::Principal).read(principal, |entry: Entry| {
        let granted = if session.has_second_factor {
            entry.granted_with_second_factor()
        } else {
            entry.granted()
        };
        if granted & wanted != 0 && entry.ends_at() > now {
            found.push(entry.tenant());
        }
    });
    tenants(&found)
}

fn own_tenants(_: Call) -> Answer {
    let Some(principal) = Session::current().principal else {
        return tenants(&[]);
    };
    let now = transaction_start();
    let mut found = Vec::with_capacity(64);
    Access::open(Index::Principal).read(principal, |entry: Entry| {
        if entry.ends_at() > now {
            found.push(entry.tenant());
        }
    });
    tenants(&found)
}

fn tenants_asking_for_second_factor(_: Call) -> Answer {
    let session = Session::current();
    let Some(principal) = session.principal.filter(|_| !session.has_second_factor) else {
        return tenants(&[]);
    };
    let mut found = Vec::new();
    Access::open(Index::Asking).read(principal, |entry: Entry| found.push(entry.tenant()));
    tenants(&found)
}

/// `now()`.
fn transaction_start() -> pg_sys::TimestampTz {
    // SAFETY: reads a variable.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// `uuid[]`
fn tenants(found: &[[u8; 16]]) -> Answer {
    let mut elements: Vec<Datum> = found
        .iter()
        .map(|tenant| Datum::from(tenant.as_ptr()))
        .collect();
    // SAFETY: a uuid is 16 bytes, passed by reference, and not aligned. What the elements point to is copied.
    let array = unsafe {
        pg_sys::construct_array(
            elements.as_mut_ptr(),
            elements.len() as i32,
            pg_sys::UUIDOID,
            16,
            false,
            pg_sys::TYPALIGN_CHAR as std::ffi::c_char,
        )
    };
    Answer::Value(Datum::from(array))
}
