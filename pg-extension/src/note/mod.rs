//! Notes: what somebody tried must be known also when the attempt is refused, and a refusal is an error that undoes all that its
//! transaction has written. So a note is kept outside of transactions, in shared memory, until somebody takes it who can write it down.
//!
//! `slots` is the list of notes, `shared` the memory that it is in, `taken` what a taker's rollback puts back. Without shared memory
//! there is only the server's `log`.

use std::ffi::CStr;

use pgrx::prelude::*;

mod log;
mod rows;
mod settings;
mod shared;
mod slots;
mod taken;

use rows::Rows;
use shared::NOTES;
use slots::{Cursor, LONGEST};

use crate::door::{Answer, Call, NOTHING, function};
use crate::fault::invalid;

function!(aias_note, pg_finfo_aias_note, note);
function!(aias_take_notes, pg_finfo_aias_take_notes, take_notes);
function!(aias_notes_lost, pg_finfo_aias_notes_lost, notes_lost);

/// A note that was taken.
#[derive(Clone)]
pub struct Note {
    number: u64,
    /// Microseconds since 2000.
    at: i64,
    /// JSON, in the encoding of its database.
    text: Vec<u8>,
}

/// Called when the library is loaded.
#[expect(
    unexpected_cfgs,
    reason = "pgrx's macro asks for versions of Postgres that are not supported here"
)]
pub fn init(is_preloaded: bool) {
    if is_preloaded {
        settings::define();
        pgrx::pg_shmem_init!(NOTES = ());
    }
}

fn note(call: Call) -> Answer {
    let arguments = [Some(call.required(0, "the note"))];
    // SAFETY: SQL declares the argument as jsonb, and Postgres makes a text of it that ends in zero.
    let text = unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::jsonb_out, &arguments)
            .map_or(c"null", |text| CStr::from_ptr(text.cast_mut_ptr()))
    };
    let length = text.count_bytes();
    if length > LONGEST {
        invalid(format!(
            "a note has at most {LONGEST} bytes as text, not {length}"
        ));
    }
    let is_kept = NOTES.keep(text.to_bytes());
    if !is_kept {
        log::write(text);
    }
    Answer::Value(is_kept.into())
}

fn take_notes(call: Call) -> Answer {
    let most = call.required(0, "the most notes to take").value() as i32;
    let Ok(mut left) = usize::try_from(most) else {
        invalid(format!(
            "the most notes to take must not be negative, and is {most}"
        ));
    };
    // SAFETY: SQL declares it to return such rows.
    let mut rows = unsafe { Rows::begin(call.0) };
    taken::watch();
    let mut cursor = Cursor::default();
    while left > 0 {
        pgrx::check_for_interrupts!();
        let notes = NOTES.take(&mut cursor, left);
        if notes.is_empty() {
            break;
        }
        left -= notes.len();
        // First of all: from here on, an error puts them back.
        taken::remember(&notes);
        for note in &notes {
            rows.add(note);
        }
    }
    Answer::Value(NOTHING)
}

fn notes_lost(_: Call) -> Answer {
    let lost = i64::try_from(NOTES.lost()).unwrap_or(i64::MAX);
    Answer::Value(lost.into())
}
