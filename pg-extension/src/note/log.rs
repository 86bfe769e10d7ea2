use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;
use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;

/// Writes a note to the server's log, at level LOG. The client never sees it, whatever it has asked to see. Nor does the log say which
/// statement it came from, as it would otherwise: a statement may have a secret in it.
pub fn write(text: &CStr) {
    unsafe extern "C-unwind" {
        fn errstart(level: c_int, domain: *const c_char) -> bool;
        fn errmsg_internal(format: *const c_char, ...) -> c_int;
        fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    }
    // SAFETY: the sequence of `ereport(LOG_SERVER_ONLY, ...)`. It comes back, unless the last call is where a cancellation is noticed.
    unsafe {
        pg_guard_ffi_boundary(|| {
            if errstart(pg_sys::LOG_SERVER_ONLY as c_int, std::ptr::null()) {
                errmsg_internal(c"aias.note: %s".as_ptr(), text.as_ptr());
                pg_sys::errhidestmt(true);
                pg_sys::errhidecontext(true);
                errfinish(c"aias".as_ptr(), 0, c"note".as_ptr());
            }
        });
    }
}
