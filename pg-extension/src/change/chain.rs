//! One step of a chain of hashes, for an aggregate: SHA-256 of the hash before and of what an entry says.

use pgrx::pg_sys;

use crate::door::{Answer, Call, NOTHING};

/// Of the first entry, the hash before is where the chain ended.
pub fn next_hash(call: Call) -> Answer {
    let head = call.required(1, "the head");
    let before = call.optional(0).unwrap_or(head);
    let payload = call.required(2, "the payload");
    // SAFETY: SQL declares all of them as bytea.
    let hash = unsafe {
        let arguments = [Some(before), Some(payload)];
        let both = pgrx::direct_function_call_as_datum(pg_sys::byteacat, &arguments);
        pgrx::direct_function_call_as_datum(pg_sys::sha256_bytea, &[both])
    };
    Answer::Value(hash.unwrap_or(NOTHING))
}
