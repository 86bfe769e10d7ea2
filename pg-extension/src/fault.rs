//! How a function says that it was called wrongly.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Raises SQLSTATE 22023 (`invalid_parameter_value`) with a sentence for the caller.
#[track_caller]
pub fn invalid(sentence: impl Into<String>) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, sentence)
}

/// Raises an error with a SQLSTATE that Postgres knows. pgrx turns the panic into the error when it leaves the function.
#[track_caller]
pub fn raise(code: PgSqlErrorCode, sentence: impl Into<String>) -> ! {
    std::panic::panic_any(ErrorReport::new(code, sentence.into(), "aias"))
}
