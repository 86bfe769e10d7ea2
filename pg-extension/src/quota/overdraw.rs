//! Charging what has been used already, whether it is allowed or not.

use super::key::Key;
use super::session;
use super::slot::Slot;
use super::subtransaction;
use super::table::{Attempt, Row, SlotTable};
use super::take::{look, most_wanted, take};
use super::waiting::{Verdict, Waiting};

/// Charges an amount, which is positive, to a period, if that is still running.
///
/// What is free is taken first, wherever it is; the rest is counted in slot 0 beyond its allowance, see `give`.
pub fn overdraw(key: &Key, amount: i64, period_end: i64) {
    let table = SlotTable::open();
    let mut waiting = Waiting::new(session::holds_slots());
    loop {
        let (rows, _) = look(&table, key);
        if rows.iter().any(|row| row.slot.period_end != period_end) || take(key, amount).is_ok() {
            return;
        }
        // Not enough is free. A look from before the attempt would be out of date.
        let (rows, _) = look(&table, key);
        if drain(&table, key, amount, &rows) {
            return;
        }
        let mut wanted = most_wanted(&rows, amount);
        wanted.extend(
            rows.iter()
                .filter(|row| row.slot.number == 0 && row.holder.is_other()),
        );
        if let Verdict::GiveUp = waiting.wait(&table, &wanted, 0)
            && rows.iter().any(|row| charge(&table, key, row, amount))
        {
            // The others wait for this transaction. So it does not wait for them, and leaves what they hold as it is.
            return;
        }
    }
}

/// The same, charged to the period that is running now.
pub fn overdraw_now(key: &Key, amount: i64) {
    let (rows, _) = look(&SlotTable::open(), key);
    if let Some(row) = rows.first() {
        overdraw(key, amount, row.slot.period_end);
    }
}

/// Takes all that is free, and the rest from slot 0. Does nothing when others hold some of it.
fn drain(table: &SlotTable, key: &Key, amount: i64, rows: &[Row]) -> bool {
    let drained = subtransaction::attempt(|| {
        let mut missing = amount;
        for row in rows.iter().filter(|row| row.slot.number != 0) {
            let part = row.slot.free().min(missing);
            if part > 0 {
                charge(table, key, row, part).then_some(())?;
                missing -= part;
            }
        }
        let slot_0 = rows.iter().find(|row| row.slot.number == 0)?;
        charge(table, key, slot_0, missing).then_some(())
    });
    if drained.is_some() {
        session::remember_holding();
    }
    drained.is_some()
}

/// Whether it could be done without waiting.
fn charge(table: &SlotTable, key: &Key, row: &Row, amount: i64) -> bool {
    let charged = Slot {
        used: row.slot.used.saturating_add(amount),
        ..row.slot
    };
    table.lock(row) == Attempt::Done && table.update(key, row, &charged) == Attempt::Done
}
