//! Giving back.

use super::key::Key;
use super::session;
use super::slot::Total;
use super::table::{Attempt, Row, SlotTable};
use super::take::look;
use super::waiting::Waiting;

/// Gives back an amount, which is positive, but never more than is used. With a period, only if that is still running.
///
/// More can be used than is allowed: after a plan shrank, or a settlement came out dearer than its reservation. All of that excess is in
/// slot 0, and while there is any, nothing is free in another slot. So what is given back to a slot where nothing is free goes to
/// slot 0 instead, and pays the excess before it can be taken again.
pub fn give(key: &Key, amount: i64, period_end: Option<i64>) {
    let table = SlotTable::open();
    let mut waiting = Waiting::new(false);
    loop {
        let (rows, _) = look(&table, key);
        let Some(row) = choose(&rows) else {
            return;
        };
        if row.holder.is_other() {
            waiting.wait(&table, &[row], 0);
            continue;
        }
        if period_end.is_some_and(|period_end| period_end != row.slot.period_end) {
            return;
        }
        let mut slot = row.slot;
        let mut amount = amount;
        if slot.used < amount {
            // Another slot may have taken what this one gives back; all of them together cannot have given out less than nothing.
            let used = Total::of(rows.iter().map(|row| row.slot)).used;
            amount = amount.min(used.max(0));
        }
        slot.used = slot.used.saturating_sub(amount);
        if table.lock(row) == Attempt::Done && table.update(key, row, &slot) == Attempt::Done {
            session::remember_holding();
            return;
        }
    }
}

/// A slot with more used than allowed; else one where something is free and that nobody holds, this session's own first; else slot 0.
fn choose(rows: &[Row]) -> Option<&Row> {
    rows.iter()
        .find(|row| row.slot.free() < 0)
        .or_else(|| {
            rows.iter()
                .find(|row| row.slot.free() > 0 && !row.holder.is_other())
        })
        .or_else(|| rows.iter().find(|row| row.slot.number == 0))
}
