//! Keeps a meter's slots many enough, and filled evenly enough, that sessions do not meet.

use super::gate;
use super::key::Key;
use super::session;
use super::slot::{self, Slot};
use super::table::{Attempt, Row, SlotTable, Snapshot};

/// Hands a part of what `donor` has free to a slot that has run dry. The caller has locked the donor and writes it.
pub fn restock(table: &SlotTable, key: &Key, dry: &Row, donor: &mut Slot, amount: i64) {
    let spare = donor.spare();
    let (Some(donor_part), Some(dry_part)) = (donor.allowance, dry.slot.allowance) else {
        return;
    };
    // Two rows are locked for it, so it should last for some takes.
    if spare / 4 < amount || table.lock(dry) != Attempt::Done {
        return;
    }
    let filled = Slot {
        allowance: Some(dry_part.saturating_add(spare)),
        ..dry.slot
    };
    if table.update(key, dry, &filled) == Attempt::Done {
        donor.allowance = Some(donor_part - spare);
    }
}

/// Splits a slot of a meter of which others hold most. The number of slots doubles each time, as long as the parts are worth it.
///
/// The transaction holds the slot, which keeps a change of the limit out until the new slots are there for everybody to see.
pub fn split(table: &SlotTable, key: &Key, number: i16, amount: i64) {
    // Two transactions that split at once would make slots with the same number.
    if !gate::try_split(key) {
        return;
    }
    let rows = table.all(key, &Snapshot::fresh());
    let Some(row) = rows.iter().find(|row| row.slot.number == number) else {
        return;
    };
    let (count, part) = slot::split(&row.slot, rows.len(), amount);
    let Some(last) = rows.last().filter(|_| count > 0) else {
        return;
    };
    let kept = Slot {
        allowance: row
            .slot
            .allowance
            .zip(part)
            .map(|(allowance, part)| allowance - part * count as i64),
        ..row.slot
    };
    if table.update(key, row, &kept) != Attempt::Done {
        return;
    }
    for number in (last.slot.number + 1..).take(count) {
        let new = Slot {
            number,
            used: 0,
            allowance: part,
            ..row.slot
        };
        table.insert(key, &new);
    }
    session::remember_slots(key, rows.len() + count);
}
