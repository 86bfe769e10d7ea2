//! Postgres's own operators on `jsonb`, and its bytes.

use std::ffi::CStr;

use pgrx::pg_sys::{self, Datum};

/// A `jsonb` as it is stored, without its length word, at an address that is a multiple of four: what Postgres's own functions on parts of it
/// want. As long as the call lasts.
///
/// # Safety
/// The datum is a jsonb.
pub unsafe fn content<'a>(datum: Datum) -> &'a [u8] {
    // SAFETY: what is detoasted has a length word of four bytes.
    unsafe {
        let varlena = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
        let length = pgrx::varsize_any_exhdr(varlena);
        std::slice::from_raw_parts(pgrx::vardata_any(varlena).cast::<u8>(), length)
    }
}

fn text(name: &CStr) -> Option<Datum> {
    // SAFETY: the name ends in zero.
    Some(Datum::from(unsafe {
        pg_sys::cstring_to_text(name.as_ptr())
    }))
}

/// `text::jsonb`, which raises 22P02 for what is no JSON.
pub fn parse(json: &CStr) -> Datum {
    let arguments = [Some(Datum::from(json.as_ptr()))];
    // SAFETY: called with an argument of its type; it never answers null.
    unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &arguments).unwrap_or(Datum::null())
    }
}

/// `value ->> name`, a text; null when there is no such member, or it is null.
pub fn member(value: Datum, name: &CStr) -> Option<Datum> {
    let arguments = [Some(value), text(name)];
    // SAFETY: called with arguments of its types.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_object_field_text, &arguments) }
}

/// `value ? name`
pub fn has(value: Datum, name: &CStr) -> bool {
    let arguments = [Some(value), text(name)];
    // SAFETY: called with arguments of its types.
    unsafe { pgrx::direct_function_call(pg_sys::jsonb_exists, &arguments) }.unwrap_or(false)
}
