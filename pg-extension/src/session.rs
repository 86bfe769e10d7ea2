//! What PostgREST and edge-api set for a request, in settings of the session.

use std::ffi::CStr;

use pgrx::pg_sys::{self, Datum};

/// A setting; an empty one is none, since a custom setting that was set in a transaction is empty after it. Until settings change.
pub fn setting<'a>(name: &CStr) -> Option<&'a CStr> {
    // SAFETY: Postgres keeps the text, which ends in zero, for as long as the setting has it, and nothing is set meanwhile.
    let value = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    };
    value.filter(|value| !value.is_empty())
}

/// JSON that serde may read as an object. `None` where Postgres might mean something else: serde reads an array as a struct, and passes over escapes
/// that `jsonb` refuses.
pub fn plain_object(json: &CStr) -> Option<&str> {
    let bytes = json.to_bytes();
    let is_plain = bytes.trim_ascii_start().starts_with(b"{") && !bytes.contains(&b'\\');
    is_plain.then(|| json.to_str().ok()).flatten()
}

/// `text::uuid`, which raises 22P02 for what is none.
pub fn uuid(text: &CStr) -> Datum {
    let arguments = [Some(Datum::from(text.as_ptr()))];
    // SAFETY: called with an argument of its type; it never answers null.
    unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::uuid_in, &arguments).unwrap_or(Datum::null())
    }
}
