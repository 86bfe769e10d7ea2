//! Functions that may refuse.
//!
//! A refusal leaves Postgres as SQLSTATE `PGRST`, which PostgREST turns into the HTTP response that the message and the detail describe
//! (<https://docs.postgrest.org/en/stable/references/errors.html#raise-errors-with-http-status-codes>). pgrx knows only Postgres's own
//! SQLSTATEs, and would turn this one into `XX000`. So a function that may refuse is not a `#[pg_extern]`: it runs guarded as one, and
//! raises its refusal itself, after the guard, where nothing of Rust is left on the stack that an error would jump over.

use std::ffi::{CString, c_char, c_int};

use pgrx::pg_sys::{self, Datum, FunctionCallInfo};
use serde_json::{Map, Value, json};

use crate::fault::invalid;

/// An HTTP response that says no.
pub struct Response {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// JSON, as text.
    pub details: String,
    pub hint: String,
    pub headers: Vec<(&'static str, String)>,
}

/// What a guarded function answers: a datum, or the texts of a refusal in the current memory context.
#[derive(Clone, Copy)]
pub enum Answer {
    Value(Datum),
    Refused {
        message: *const c_char,
        detail: *const c_char,
    },
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let message = json!({
            "code": response.code,
            "message": response.message,
            "details": response.details,
            "hint": response.hint,
        });
        let headers: Map<String, Value> = response
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        let detail = json!({ "status": response.status, "headers": headers });
        Answer::Refused {
            message: in_postgres(&message.to_string()),
            detail: in_postgres(&detail.to_string()),
        }
    }
}

impl From<Result<Datum, Response>> for Answer {
    fn from(result: Result<Datum, Response>) -> Self {
        match result {
            Ok(value) => Answer::Value(value),
            Err(response) => response.into(),
        }
    }
}

/// `void`.
pub const NOTHING: Datum = Datum::null();

/// The call of a function, with its arguments.
#[derive(Clone, Copy)]
pub struct Call(pub FunctionCallInfo);

impl Call {
    /// An argument that must not be null.
    pub fn required(self, index: usize, name: &str) -> Datum {
        match self.optional(index) {
            Some(datum) => datum,
            None => invalid(format!("{name} must not be null")),
        }
    }

    pub fn optional(self, index: usize) -> Option<Datum> {
        // SAFETY: SQL declares the function with at least as many arguments as it asks for.
        unsafe {
            let arguments = (*self.0).args.as_slice((*self.0).nargs as usize);
            let argument = arguments.get(index)?;
            (!argument.isnull).then_some(argument.value)
        }
    }
}

/// Runs a function's body guarded, and then answers or refuses.
///
/// # Safety
/// Called by Postgres, from the outermost frame of a function.
pub unsafe fn serve(fcinfo: FunctionCallInfo, body: fn(Call) -> Answer) -> Datum {
    // SAFETY: this is the outermost frame, and nothing here needs to be dropped.
    let answer = unsafe { pg_sys::submodules::panic::pgrx_extern_c_guard(|| body(Call(fcinfo))) };
    match answer {
        Answer::Value(datum) => datum,
        // SAFETY: the texts end in zero, and are in the memory context of the call.
        Answer::Refused { message, detail } => unsafe { refuse(message, detail) },
    }
}

/// Declares a function for `language c`, under the name that SQL knows it by.
macro_rules! function {
    ($name:ident, $finfo:ident, $body:path) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $finfo() -> &'static ::pgrx::pg_sys::Pg_finfo_record {
            const V1: ::pgrx::pg_sys::Pg_finfo_record =
                ::pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &V1
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(
            fcinfo: ::pgrx::pg_sys::FunctionCallInfo,
        ) -> ::pgrx::pg_sys::Datum {
            // SAFETY: Postgres calls it, and this is all of its frame.
            unsafe { $crate::door::serve(fcinfo, $body) }
        }
    };
}
pub(crate) use function;

/// A copy that Postgres owns.
fn in_postgres(text: &str) -> *const c_char {
    // serde_json escapes zero bytes, so there are none.
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: copies up to the zero.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}

/// As `MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')` in Postgres's `utils/elog.h`: six bits for each character.
const PGRST: c_int = {
    let text = b"PGRST";
    let mut code = 0;
    let mut index = 0;
    while index < text.len() {
        code |= ((text[index] - b'0') as c_int & 0x3F) << (6 * index);
        index += 1;
    }
    code
};

/// `ereport(ERROR, ...)`, spelled out.
unsafe fn refuse(message: *const c_char, detail: *const c_char) -> ! {
    unsafe extern "C-unwind" {
        fn errstart(level: c_int, domain: *const c_char) -> bool;
        fn errcode(code: c_int) -> c_int;
        fn errmsg_internal(format: *const c_char, ...) -> c_int;
        fn errdetail_internal(format: *const c_char, ...) -> c_int;
        fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    }
    // SAFETY: the documented sequence. The last call jumps out of this function, which has nothing to drop.
    unsafe {
        if errstart(pg_sys::PGERROR as c_int, std::ptr::null()) {
            errcode(PGRST);
            errmsg_internal(c"%s".as_ptr(), message);
            errdetail_internal(c"%s".as_ptr(), detail);
            errfinish(c"aias".as_ptr(), 0, c"refuse".as_ptr());
        }
        std::process::abort()
    }
}
