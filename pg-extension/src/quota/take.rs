//! Taking from a quota.
//!
//! The limit of a meter is cut into slots whose parts sum up to it. A take changes one slot, and holds its row lock until the transaction
//! ends, as any update does; so what a slot has given out is exact whether that transaction commits, rolls back or is killed. A session has
//! a slot of its own to begin with, and passes by what another transaction holds.
//!
//! A refusal is decided on one snapshot of all slots: when what is free in everything that has committed is not enough. Transactions that
//! are still running can only have taken from that, or will roll back to it. As long as it *is* enough, and merely held by
//! others, the take waits for them.

use pgrx::prelude::*;

use super::clock;
use super::key::Key;
use super::limits;
use super::refusal::Refusal;
use super::reservations;
use super::session;
use super::slot::{Slot, Total};
use super::spread;
use super::subtransaction;
use super::table::{Attempt, Row, SlotTable, Snapshot};
use super::unknown;
use super::waiting::{Verdict, Waiting};
use crate::fault::raise;

/// How many single slots are tried before all are looked at.
const QUICK_TRIES: usize = 2;

/// What was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The end of the period that it was charged to; infinity for a stock.
    pub period_end: i64,
}

/// Takes an amount, which is positive, or says why not. Errors only when there is no such quota, or the count would overflow.
pub fn take(key: &Key, amount: i64) -> Result<Taken, Refusal> {
    let table = SlotTable::open();
    match quick(&table, key, amount) {
        Some(taken) => Ok(taken),
        None => thorough(&table, key, amount),
    }
}

/// The usual case: this session's own slot is at hand and has enough.
fn quick(table: &SlotTable, key: &Key, amount: i64) -> Option<Taken> {
    let (home, slots) = session::home(key)?;
    let holds_slots = session::holds_slots();
    // Its own change to a slot, earlier in the same statement, is not in the statement's snapshot.
    let snapshot = if holds_slots {
        Snapshot::fresh()
    } else {
        Snapshot::of_statement()
    };
    for step in 0..QUICK_TRIES.min(slots) {
        let number = i16::try_from((home + step) % slots).ok()?;
        let row = table.find(key, number, &snapshot)?;
        let now = clock::now();
        if row.holder.is_other() || (now >= row.slot.valid_until && !holds_slots) {
            continue;
        }
        let slot = row.slot.at(now);
        if slot.free() < amount {
            continue;
        }
        // A transaction that others may be waiting for must not run into a wait here.
        if holds_slots && table.lock(&row) != Attempt::Done {
            return None;
        }
        let slot = charged(slot, amount);
        if table.update(key, &row, &slot) != Attempt::Done {
            return None;
        }
        session::remember_holding();
        return Some(Taken {
            period_end: slot.period_end,
        });
    }
    None
}

/// Looks at all slots, as often as it takes.
fn thorough(table: &SlotTable, key: &Key, amount: i64) -> Result<Taken, Refusal> {
    let holds_slots = session::holds_slots();
    let mut waiting = Waiting::new(holds_slots);
    let mut is_crowded = false;
    let mut has_swept = false;
    loop {
        let (rows, now) = look(table, key);
        // A transaction that has taken before the limit changed goes on under the limit that it began with: it comes before the change.
        if !holds_slots && rows.iter().any(|row| now >= row.slot.valid_until) {
            limits::refresh(key);
            continue;
        }
        is_crowded |= rows.iter().filter(|row| row.holder.is_other()).count() * 2 >= rows.len();
        let total = Total::of(rows.iter().map(|row| row.slot));
        if total.free() < amount {
            if !has_swept {
                has_swept = true;
                if reservations::give_back_lapsed(key) {
                    continue;
                }
            }
            return Err(Refusal::new(key, &total, amount, now));
        }

        if let Some((taken, number)) = from_one(table, key, amount, &rows) {
            session::remember_holding();
            if is_crowded {
                spread::split(table, key, number, amount);
            }
            return Ok(taken);
        }
        let at_hand = rows
            .iter()
            .filter(|row| !row.holder.is_other())
            .fold(0i64, |sum, row| sum.saturating_add(row.slot.free().max(0)));
        if at_hand >= amount {
            if let Some(taken) = from_several(table, key, amount, &rows) {
                session::remember_holding();
                return Ok(taken);
            }
            // Others were quicker.
            waiting.pause();
            continue;
        }

        let wanted = most_wanted(&rows, amount);
        if let Verdict::GiveUp = waiting.wait(table, &wanted, amount - at_hand) {
            return Err(Refusal::new(key, &total, amount, now));
        }
    }
}

/// All slots as they are now, this session's own first.
pub fn look(table: &SlotTable, key: &Key) -> (Vec<Row>, i64) {
    pgrx::check_for_interrupts!();
    let mut rows = table.all(key, &Snapshot::fresh());
    if rows.is_empty() {
        unknown(key);
    }
    // The clock, and not the start of the transaction: a long transaction that takes after midnight takes from the new period. It is read
    // after the rows, for what a row shows has happened.
    let now = clock::now();
    for row in &mut rows {
        row.slot = row.slot.at(now);
    }
    session::remember_slots(key, rows.len());
    if let Some((home, _)) = session::home(key) {
        rows.rotate_left(home);
    }
    (rows, now)
}

/// Takes from the first slot that has enough by itself.
fn from_one(table: &SlotTable, key: &Key, amount: i64, rows: &[Row]) -> Option<(Taken, i16)> {
    for row in rows {
        if row.holder.is_other() || row.slot.free() < amount || table.lock(row) != Attempt::Done {
            continue;
        }
        let mut slot = charged(row.slot, amount);
        // The session's own slot has run dry, or it would have come first: stock it up, so that the next take finds it there.
        if let Some(home) = rows.first().filter(|home| home.slot.number != slot.number)
            && home.slot.free() < amount
            && !home.holder.is_other()
        {
            spread::restock(table, key, home, &mut slot, amount);
        }
        if table.update(key, row, &slot) == Attempt::Done {
            let taken = Taken {
                period_end: slot.period_end,
            };
            return Some((taken, slot.number));
        }
    }
    None
}

/// Takes from as many slots as it needs, or from none.
fn from_several(table: &SlotTable, key: &Key, amount: i64, rows: &[Row]) -> Option<Taken> {
    subtransaction::attempt(|| {
        let mut missing = amount;
        for row in rows {
            let part = row.slot.free().min(missing);
            if part <= 0 || row.holder.is_other() || table.lock(row) != Attempt::Done {
                continue;
            }
            if table.update(key, row, &charged(row.slot, part)) != Attempt::Done {
                return None;
            }
            missing -= part;
            if missing == 0 {
                return Some(Taken {
                    period_end: row.slot.period_end,
                });
            }
        }
        None
    })
}

/// What others hold of what is free, those first that have enough by themselves.
pub fn most_wanted(rows: &[Row], amount: i64) -> Vec<&Row> {
    let mut wanted: Vec<_> = rows
        .iter()
        .filter(|row| row.holder.is_other() && row.slot.free() > 0)
        .collect();
    wanted.sort_by_key(|row| row.slot.free() < amount);
    wanted
}

fn charged(mut slot: Slot, amount: i64) -> Slot {
    match slot.used.checked_add(amount) {
        Some(used) => slot.used = used,
        None => raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!(
                "{} more than {} is more than can be counted",
                amount, slot.used
            ),
        ),
    }
    slot
}
