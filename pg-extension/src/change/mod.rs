//! What an audit log says of a changed row: which fields differ, and whether one of them may hold what is not to be written down.
//!
//! And the chain that its entries are in.
//!
//! All of it is asked for each row that changes. In SQL, the first is an aggregate over all fields and the second a regular
//! expression over all of the text, some 10 microseconds each.

mod chain;
mod diff;
mod secret;

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum};

use crate::door::{Answer, Call, NOTHING, function};
use crate::fault::invalid;
use crate::jsonb::Container;

function!(
    aias_jsonb_changed,
    pg_finfo_aias_jsonb_changed,
    jsonb_changed
);
function!(
    aias_may_hold_secret,
    pg_finfo_aias_may_hold_secret,
    may_hold_secret
);

function!(aias_next_hash, pg_finfo_aias_next_hash, chain::next_hash);

fn jsonb_changed(call: Call) -> Answer {
    let [value, other] =
        [(0, "the value"), (1, "the other")].map(|(index, name)| content(call, index, name));
    let [Some(object), Some(before)] =
        [value, other].map(|bytes| Container::read(bytes).filter(|read| read.is_object()))
    else {
        invalid("only objects have fields that can differ")
    };
    let changed = diff::changed(object, before);
    Answer::Value(changed.as_slice().into_datum().unwrap_or(NOTHING))
}

fn may_hold_secret(call: Call) -> Answer {
    let value = content(call, 0, "the value");
    Answer::Value(Datum::from(secret::may_be_in(value)))
}

/// A `jsonb` argument as it is stored, without its length word, at an address that is a multiple of four: what Postgres's own functions on
/// parts of it want. As long as the call lasts.
fn content<'a>(call: Call, index: usize, name: &str) -> &'a [u8] {
    let datum = call.required(index, name);
    // SAFETY: SQL declares the argument as jsonb. What is detoasted has a length word of four bytes.
    unsafe {
        let varlena = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
        let length = pgrx::varsize_any_exhdr(varlena);
        std::slice::from_raw_parts(pgrx::vardata_any(varlena).cast::<u8>(), length)
    }
}
