//! Holding all slots of a meter at once, for what changes the limit itself.

use pgrx::pg_sys::TransactionId;

use super::key::Key;
use super::session;
use super::subtransaction;
use super::table::{Attempt, Holder, Row, SlotTable, Snapshot};
use super::waiting::{Pauses, is_announced};

/// Locks every slot of a meter until the transaction ends, and answers them as they are then, in slot order.
///
/// New slots come from splitting one that is held, so once all are held there are no more.
pub fn all_slots(table: &SlotTable, key: &Key) -> Vec<Row> {
    loop {
        let mut in_the_way = None;
        let held = subtransaction::attempt(|| try_all(table, key, &mut in_the_way));
        if let Some(rows) = held {
            session::remember_holding();
            return rows;
        }
        // Nothing is held here, so this adds to no circle among those who take.
        if let Some((transaction, row)) = in_the_way {
            table.wait_for(transaction, &row);
        }
    }
}

/// Takes hold of one slot after the other. Lets go of all of them, by answering none, for a transaction that holds one and
/// wants more: it has come first.
fn try_all(
    table: &SlotTable,
    key: &Key,
    in_the_way: &mut Option<(TransactionId, Row)>,
) -> Option<Vec<Row>> {
    let mut pauses = Pauses::new();
    loop {
        let rows = table.all(key, &Snapshot::fresh());
        let mut waits = false;
        for row in &rows {
            if row.holder == Holder::Me {
                continue;
            }
            if let Holder::Other(transaction) = row.holder {
                if is_announced(transaction) {
                    *in_the_way = Some((transaction, *row));
                    return None;
                }
                waits = true;
            } else if table.lock(row) == Attempt::Busy {
                waits = true;
            }
        }
        // What was locked in this round is seen as held in the next, in its last version.
        if rows.iter().all(|row| row.holder == Holder::Me) {
            return Some(rows);
        }
        if waits {
            pauses.sleep();
            if pauses.are_long() {
                let other = rows.iter().find_map(|row| match row.holder {
                    Holder::Other(transaction) => Some((transaction, row)),
                    _ => None,
                });
                // Other locks may be part of a circle, which only the lock manager sees.
                if let Some((transaction, row)) = other {
                    table.wait_for(transaction, row);
                }
            }
        }
    }
}
