//! What an audit log says of a changed row: which fields differ, and whether one of them may hold what is not to be written down.
//!
//! And the chain that its entries are in.
//!
//! All of it is asked for each row that changes. In SQL, the first is an aggregate over all fields and the second a regular
//! expression over all of the text, some 10 microseconds each.

mod chain;
mod diff;
mod secret;

pub use diff::changed;
pub use secret::may_be_in as secret_may_be_in;

use pgrx::datum::IntoDatum;
use pgrx::pg_sys::Datum;

use crate::door::{Answer, Call, NOTHING, function};
use crate::fault::invalid;
use crate::jsonb::{self, Container};

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
    let fields = jsonb::object(&changed(object, before));
    Answer::Value(fields.as_slice().into_datum().unwrap_or(NOTHING))
}

fn may_hold_secret(call: Call) -> Answer {
    let value = content(call, 0, "the value");
    Answer::Value(Datum::from(secret_may_be_in(value)))
}

fn content<'a>(call: Call, index: usize, name: &str) -> &'a [u8] {
    // SAFETY: SQL declares the argument as jsonb.
    unsafe { jsonb::content(call.required(index, name)) }
}
