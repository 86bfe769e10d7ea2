//! What a limit is, and how it changes.
//!
//! A change takes hold of all slots first, so it comes after every take that is under way and before every one that follows. It takes the
//! row of `quota_meters` before that, so that two changes of one meter are in order too.

use super::clock;
use super::hold;
use super::key::Key;
use super::period;
use super::slot::{self, FIRST_SLOTS, Slot, Total};
use super::table::SlotTable;
use crate::fault::invalid;
use crate::instant::INFINITY;
use crate::statement::{Rows, run, statement};

statement!(LOCK_METER, [UUIDOID, TEXTOID],
    c"select kind, anchor, quota_limit from aias.quota_meters where tenant_id = $1 and meter = $2 for no key update");

statement!(ADD_METER, [UUIDOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID],
    c"insert into aias.quota_meters (tenant_id, meter, kind, quota_limit, anchor) values ($1, $2, $3, $4, $5) on conflict do nothing returning 1");

statement!(CHANGE_METER, [UUIDOID, TEXTOID, INT8OID, TIMESTAMPTZOID],
    c"update aias.quota_meters set quota_limit = $3, anchor = $4, revision = revision + 1 where tenant_id = $1 and meter = $2");

statement!(ADJUSTMENTS, [UUIDOID, TEXTOID],
    c"select kind = 'override', amount, valid_until from aias.quota_adjustments where tenant_id = $1 and meter = $2");

statement!(ADJUST, [UUIDOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID],
    c"insert into aias.quota_adjustments as a (tenant_id, meter, name, kind, amount, valid_until) values ($1, $2, $3, $4, $5, $6) \
      on conflict (tenant_id, meter, name) do update set kind = excluded.kind, amount = excluded.amount, valid_until = excluded.valid_until");

statement!(REMOVE_ADJUSTMENT, [UUIDOID, TEXTOID, TEXTOID, TEXTOID],
    c"delete from aias.quota_adjustments where tenant_id = $1 and meter = $2 and name = $3 and kind = $4 returning 1");

statement!(MOVE_RESERVATIONS, [UUIDOID, TEXTOID, TIMESTAMPTZOID],
    c"update aias.quota_reservations set period_end = $3 where tenant_id = $1 and meter = $2 and not lapsed");

/// Whether a meter counts what exists or what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stock,
    Flow,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Stock => "stock",
            Kind::Flow => "flow",
        }
    }
}

/// A row of `quota_meters`.
struct Meter {
    kind: Kind,
    anchor: Option<i64>,
    limit: Option<i64>,
}

/// An override or an add-on.
#[derive(Clone, Copy)]
pub struct Adjustment {
    pub is_override: bool,
    pub amount: Option<i64>,
    pub valid_until: i64,
}

/// Creates a quota or changes its limit, also in the middle of a period.
pub fn set(key: &Key, kind: Kind, limit: Option<i64>, anchor: Option<i64>) {
    let meter = loop {
        if let Some(meter) = lock(key) {
            break meter;
        }
        if add(key, kind, limit, anchor) {
            return;
        }
        // Somebody else has added it meanwhile, and has committed.
    };
    if meter.kind != kind {
        invalid(format!(
            "the meter {:?} of tenant {} is a {}; aias.quota_forget the tenant to count it as a {}",
            key.meter(),
            key.tenant(),
            meter.kind.as_str(),
            kind.as_str(),
        ));
    }
    let anchor = match kind {
        Kind::Flow => anchor.or(meter.anchor),
        Kind::Stock => None,
    };
    if meter.limit == limit && meter.anchor == anchor {
        return;
    }
    run(
        &CHANGE_METER,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            limit.map(Into::into),
            anchor.map(Into::into),
        ],
        |_| (),
    );
    share_anew(
        key,
        &Meter {
            kind,
            anchor,
            limit,
        },
        None,
    );
}

/// Puts an adjustment in the place of the one with the same name.
pub fn adjust(key: &Key, name: &str, adjustment: Adjustment) {
    let meter = lock(key).unwrap_or_else(|| super::unknown(key));
    let kind = kind_of(adjustment.is_override);
    run(
        &ADJUST,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            text(name),
            text(kind),
            adjustment.amount.map(Into::into),
            Some(adjustment.valid_until.into()),
        ],
        |_| (),
    );
    touch(key, &meter);
    share_anew(key, &meter, None);
}

/// Removes an adjustment; answers whether there was one.
pub fn remove_adjustment(key: &Key, name: &str, is_override: bool) -> bool {
    let meter = lock(key).unwrap_or_else(|| super::unknown(key));
    let was_there = run(
        &REMOVE_ADJUSTMENT,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            text(name),
            text(kind_of(is_override)),
        ],
        |rows| rows.count() > 0,
    );
    if was_there {
        touch(key, &meter);
        share_anew(key, &meter, None);
    }
    was_there
}

/// Sets what is used, for a count that has been made anew.
pub fn recount(key: &Key, used: i64) {
    let meter = lock(key).unwrap_or_else(|| super::unknown(key));
    share_anew(key, &meter, Some(used));
}

/// Shares out the limit that holds now, after an add-on or an override has ended.
pub fn refresh(key: &Key) {
    let meter = lock(key).unwrap_or_else(|| super::unknown(key));
    share_anew(key, &meter, None);
}

/// The limit at an instant, and when it changes next.
pub fn effective(plan: Option<i64>, adjustments: &[Adjustment], now: i64) -> (Option<i64>, i64) {
    let in_force = || adjustments.iter().filter(|a| a.valid_until > now);
    let base = in_force()
        .find(|a| a.is_override)
        .map_or(plan, |a| a.amount);
    let limit = base.map(|base| {
        in_force()
            .filter(|a| !a.is_override)
            .fold(base, |sum, a| sum.saturating_add(a.amount.unwrap_or(0)))
    });
    let until = in_force().map(|a| a.valid_until).min().unwrap_or(INFINITY);
    (limit, until)
}

fn lock(key: &Key) -> Option<Meter> {
    run(
        &LOCK_METER,
        &[Some(key.tenant_datum()), Some(key.meter_datum())],
        |rows| {
            (rows.count() > 0).then(|| Meter {
                kind: match rows.text(0, 1).as_deref() {
                    Some("flow") => Kind::Flow,
                    _ => Kind::Stock,
                },
                anchor: rows.integer(0, 2),
                limit: rows.integer(0, 3),
            })
        },
    )
}

fn add(key: &Key, kind: Kind, limit: Option<i64>, anchor: Option<i64>) -> bool {
    let now = clock::now();
    let anchor = match kind {
        Kind::Flow => Some(anchor.unwrap_or_else(|| period::month_start(now))),
        Kind::Stock => None,
    };
    let is_new = run(
        &ADD_METER,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            text(kind.as_str()),
            limit.map(Into::into),
            anchor.map(Into::into),
        ],
        |rows| rows.count() > 0,
    );
    if is_new {
        let table = SlotTable::open();
        for (number, (allowance, used)) in (0..).zip(slot::share_out(limit, 0, FIRST_SLOTS)) {
            let slot = Slot {
                number,
                used,
                allowance,
                anchor,
                period_end: anchor.map_or(INFINITY, |anchor| period::around(anchor, now).1),
                valid_until: INFINITY,
            };
            table.insert(key, &slot);
        }
    }
    is_new
}

/// A change of the adjustments is a change of the meter: then a transaction with an older snapshot finds out.
fn touch(key: &Key, meter: &Meter) {
    run(
        &CHANGE_METER,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            meter.limit.map(Into::into),
            meter.anchor.map(Into::into),
        ],
        |_| (),
    );
}

/// Cuts the limit and what is used of it into slots again.
fn share_anew(key: &Key, meter: &Meter, used: Option<i64>) {
    let table = SlotTable::open();
    let rows = hold::all_slots(&table, key);
    let now = clock::now();
    let adjustments = run(
        &ADJUSTMENTS,
        &[Some(key.tenant_datum()), Some(key.meter_datum())],
        adjustments,
    );
    let (limit, valid_until) = effective(meter.limit, &adjustments, now);

    let slots: Vec<Slot> = rows.iter().map(|row| row.slot.at(now)).collect();
    let total = Total::of(slots.iter().copied());
    let mut counted = used.unwrap_or(total.used).max(0);
    let period_end = match meter.anchor {
        None => INFINITY,
        Some(anchor) => {
            let (start, end) = period::around(anchor, now);
            // A new anchor that begins a new period begins a new count. One that only moves the end of the running period does not.
            if let Some(counting) = slots.first()
                && counting.period_end != end
            {
                if start > counting.period_start() {
                    counted = used.unwrap_or(0);
                } else {
                    move_reservations(key, end);
                }
            }
            end
        }
    };

    let shares = slot::share_out(limit, counted, rows.len().max(FIRST_SLOTS));
    for row in rows.iter().skip(shares.len()) {
        table.delete(row);
    }
    for (number, (allowance, used)) in (0..).zip(shares) {
        let slot = Slot {
            number,
            used,
            allowance,
            anchor: meter.anchor,
            period_end,
            valid_until,
        };
        match rows.iter().find(|row| row.slot.number == number) {
            Some(row) => _ = table.update(key, row, &slot),
            None => table.insert(key, &slot),
        }
    }
}

fn adjustments(rows: &Rows) -> Vec<Adjustment> {
    (0..rows.count())
        .map(|row| Adjustment {
            is_override: rows.integer(row, 1) == Some(1),
            amount: rows.integer(row, 2),
            valid_until: rows.integer(row, 3).unwrap_or(INFINITY),
        })
        .collect()
}

/// Open reservations stay in the count, so they go along.
fn move_reservations(key: &Key, period_end: i64) {
    run(
        &MOVE_RESERVATIONS,
        &[
            Some(key.tenant_datum()),
            Some(key.meter_datum()),
            Some(period_end.into()),
        ],
        |_| (),
    );
}

fn kind_of(is_override: bool) -> &'static str {
    if is_override { "override" } else { "addon" }
}

fn text(value: &str) -> Option<pgrx::pg_sys::Datum> {
    pgrx::IntoDatum::into_datum(value)
}
