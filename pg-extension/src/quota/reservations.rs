//! Setting aside before the amount is known.
//!
//! A reservation is a take, and a row that remembers it. Settling replaces the estimate by what it was; releasing gives it back; and when
//! the lease has run out, whoever comes next gives it back. All of them lock the row first, so that only one of them happens. One that is
//! spent bit by bit holds what is left of it.
//!
//! An amount counts in the period in which it was admitted. When that is over, there is nothing left to correct.

use pgrx::Uuid;
use pgrx::pg_sys::Datum;

use super::clock;
use super::give::give;
use super::key::Key;
use super::overdraw::{overdraw, overdraw_now};
use super::refusal::Refusal;
use super::take::take;
use crate::fault::invalid;
use crate::statement::{run, statement};

statement!(ADD, [UUIDOID, UUIDOID, TEXTOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID],
    c"insert into aias.quota_reservations (id, tenant_id, meter, amount, period_end, expires_at) values ($1, $2, $3, $4, $5, $6)");

statement!(END, [UUIDOID],
    c"delete from aias.quota_reservations where id = $1 returning tenant_id, meter, amount, period_end, lapsed");

statement!(SPEND, [UUIDOID, INT8OID],
    c"with held as (select id, amount, period_end, lapsed from aias.quota_reservations where id = $1 for update), \
      spent as (update aias.quota_reservations r set amount = greatest(held.amount - $2, 0) from held where r.id = held.id) \
      select amount, period_end, lapsed from held");

statement!(LAPSE, [UUIDOID, TEXTOID],
    c"update aias.quota_reservations set lapsed = true where id in ( \
        select id from aias.quota_reservations \
         where tenant_id = $1 and meter = $2 and expires_at <= pg_catalog.clock_timestamp() and not lapsed \
         order by expires_at, id limit 1000 for update skip locked) \
      returning amount, period_end");

statement!(LAPSE_ANY, [INT8OID],
    c"with due as ( \
        select id from aias.quota_reservations where expires_at <= pg_catalog.clock_timestamp() and not lapsed \
         order by expires_at, id limit $1 for update skip locked), \
      lapsed as ( \
        update aias.quota_reservations r set lapsed = true from due where r.id = due.id \
        returning r.tenant_id, r.meter, r.amount, r.period_end) \
      select tenant_id, meter, sum(amount)::bigint, period_end, count(*) from lapsed \
       group by tenant_id, meter, period_end order by tenant_id, meter, period_end");

statement!(FORGET_LATE, [],
    c"delete from aias.quota_reservations where expires_at < pg_catalog.clock_timestamp() - interval '7 days' and lapsed");

/// Sets an amount aside until `expires_at`.
pub fn reserve(key: &Key, amount: i64, expires_at: i64) -> Result<Uuid, Refusal> {
    let taken = take(key, amount)?;
    let id = crate::uuid7::next();
    run(
        &ADD,
        &[
            uuid(&id),
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            Some(amount.into()),
            Some(taken.period_end.into()),
            Some(expires_at.into()),
        ],
        |_| (),
    );
    Ok(id)
}

/// Ends a reservation with what was used in fact, which is never refused: it has been used.
///
/// More than was reserved is taken from what is free, and beyond that counted over the limit: then nothing is admitted until it fits again.
pub fn settle(id: &Uuid, actual: i64) {
    let Some(ended) = run(&END, &[uuid(id)], |rows| {
        let tenant = rows.uuid(0, 1)?;
        Some((
            tenant,
            rows.text(0, 2)?,
            rows.integer(0, 3)?,
            rows.integer(0, 4)?,
            rows.integer(0, 5)? == 1,
        ))
    }) else {
        invalid(format!(
            "there is no open reservation {id}: it was settled, released or never made"
        ));
    };
    let (tenant, meter, amount, period_end, lapsed) = ended;
    if clock::now() >= period_end {
        return;
    }
    let key = Key::of(&tenant, &meter);
    // One that has lapsed has been given back already.
    let reserved = if lapsed { 0 } else { amount };
    if actual > reserved {
        overdraw(&key, actual - reserved, period_end);
    } else if actual < reserved {
        give(&key, reserved - actual, Some(period_end));
    }
}

/// Takes from a reservation what was used of it, which is never refused, and ends it when that was the last.
///
/// What is spent of one that is gone is charged to the present period: it has been used, whatever became of what was set aside for it.
pub fn spend(key: &Key, id: &Uuid, amount: i64, is_last: bool) {
    let held = run(&SPEND, &[uuid(id), Some(amount.into())], |rows| {
        Some((
            rows.integer(0, 1)?,
            rows.integer(0, 2)?,
            rows.integer(0, 3)? == 1,
        ))
    });
    let Some((held, period_end, lapsed)) = held else {
        if amount > 0 {
            overdraw_now(key, amount);
        }
        return;
    };
    let beyond = amount - if lapsed { 0 } else { held };
    if beyond > 0 && clock::now() < period_end {
        overdraw(key, beyond, period_end);
    }
    if is_last {
        settle(id, 0);
    }
}

/// Gives back what lapsed reservations of one meter hold. Answers whether there were any.
pub fn give_back_lapsed(key: &Key) -> bool {
    let lapsed = run(
        &LAPSE,
        &[Some(key.tenant_datum()), Some(key.meter_datum())],
        |rows| {
            (0..rows.count())
                .filter_map(|row| Some((rows.integer(row, 1)?, rows.integer(row, 2)?)))
                .collect::<Vec<_>>()
        },
    );
    for &(amount, period_end) in &lapsed {
        give(key, amount, Some(period_end));
    }
    !lapsed.is_empty()
}

/// Gives back what lapsed reservations hold, at most so many of them, and forgets those that nobody settles any more. Answers how many lapsed.
pub fn sweep(most: i64) -> i64 {
    let lapsed = run(&LAPSE_ANY, &[Some(most.into())], |rows| {
        (0..rows.count())
            .filter_map(|row| {
                Some((
                    rows.uuid(row, 1)?,
                    rows.text(row, 2)?,
                    rows.integer(row, 3)?,
                    rows.integer(row, 4)?,
                    rows.integer(row, 5)?,
                ))
            })
            .collect::<Vec<_>>()
    });
    let mut count = 0;
    for (tenant, meter, amount, period_end, reservations) in lapsed {
        give(&Key::of(&tenant, &meter), amount, Some(period_end));
        count += reservations;
    }
    run(&FORGET_LATE, &[], |_| ());
    count
}

fn uuid(id: &Uuid) -> Option<Datum> {
    pgrx::IntoDatum::into_datum(*id)
}
