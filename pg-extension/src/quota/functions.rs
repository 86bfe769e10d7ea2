//! What SQL calls; declared in `sql/src/quota_functions.sql`.

use pgrx::datum::{FromDatum, Interval, IntoDatum, TimestampWithTimeZone};
use pgrx::pg_sys::{self, Datum};
use pgrx::prelude::*;

use super::clock;
use super::give;
use super::key::Key;
use super::limits::{self, Adjustment, Kind};
use super::period;
use super::reservations;
use super::take;
use crate::door::{Answer, Call, NOTHING, function};
use crate::fault::invalid;
use crate::instant::INFINITY;
use crate::jsonb::Jsonb;

function!(aias_quota_set, pg_finfo_aias_quota_set, quota_set);
function!(
    aias_quota_override,
    pg_finfo_aias_quota_override,
    quota_override
);
function!(
    aias_quota_override_end,
    pg_finfo_aias_quota_override_end,
    quota_override_end
);
function!(aias_quota_addon, pg_finfo_aias_quota_addon, quota_addon);
function!(
    aias_quota_addon_end,
    pg_finfo_aias_quota_addon_end,
    quota_addon_end
);
function!(aias_quota_take, pg_finfo_aias_quota_take, quota_take);
function!(
    aias_quota_take_all,
    pg_finfo_aias_quota_take_all,
    quota_take_all
);
function!(aias_quota_give, pg_finfo_aias_quota_give, quota_give);
function!(
    aias_quota_recount,
    pg_finfo_aias_quota_recount,
    quota_recount
);
function!(
    aias_quota_reserve,
    pg_finfo_aias_quota_reserve,
    quota_reserve
);
function!(aias_quota_settle, pg_finfo_aias_quota_settle, quota_settle);
function!(aias_quota_spend, pg_finfo_aias_quota_spend, quota_spend);
function!(
    aias_quota_release,
    pg_finfo_aias_quota_release,
    quota_release
);
function!(aias_quota_sweep, pg_finfo_aias_quota_sweep, quota_sweep);

/// The name of the one override that a meter can have.
const OVERRIDE: &str = "override";

fn quota_take(call: Call) -> Answer {
    let key = key(call, c"aias.quota_take");
    let amount = positive(call, 2, "the amount to take");
    take::take(&key, amount)
        .map(|_| NOTHING)
        .map_err(|refusal| refusal.response())
        .into()
}

/// All or nothing: a refusal is an error, which undoes what came before it. In the order of the keys, so that two calls that name the
/// same meters do not hold each other up.
fn quota_take_all(call: Call) -> Answer {
    writes(c"aias.quota_take_all");
    let tenant = tenant(call);
    // SAFETY: SQL declares the argument as jsonb.
    let amounts = unsafe { <&[u8]>::from_datum(call.required(1, "amounts"), false) };
    let amounts = Jsonb::from_bytes(amounts.unwrap_or_default())
        .decode()
        .value;
    let Some(amounts) = amounts.as_object() else {
        invalid("amounts must be an object: {\"meter\": amount, ...}");
    };
    // The map is sorted by key.
    for (meter, amount) in amounts {
        let Some(amount) = amount.as_i64().filter(|amount| *amount > 0) else {
            invalid(format!(
                "the amount to take of {meter:?} must be a whole number greater than 0"
            ));
        };
        if let Err(refusal) = take::take(&Key::of(&tenant, meter), amount) {
            return refusal.response().into();
        }
    }
    Answer::Value(NOTHING)
}

fn quota_give(call: Call) -> Answer {
    let key = key(call, c"aias.quota_give");
    let amount = positive(call, 2, "the amount to give back");
    give::give(&key, amount, None);
    Answer::Value(NOTHING)
}

fn quota_set(call: Call) -> Answer {
    let key = key(call, c"aias.quota_set");
    let kind = match text(call, 2, "kind").as_str() {
        "stock" => Kind::Stock,
        "flow" => Kind::Flow,
        other => invalid(format!("a meter is a stock or a flow, not {other:?}")),
    };
    let anchor = call.optional(4).map(instant);
    if anchor.is_some() && kind == Kind::Stock {
        invalid("a stock has no billing periods, and so no anchor");
    }
    if anchor.is_some_and(|anchor| anchor == i64::MAX || anchor == i64::MIN) {
        invalid("billing periods cannot begin at infinity");
    }
    let length = key.meter().len();
    if !(1..=100).contains(&length) {
        invalid(format!(
            "the name of a meter has 1 to 100 bytes, not {length}"
        ));
    }
    limits::set(&key, kind, limit(call, 3), anchor);
    Answer::Value(NOTHING)
}

fn quota_override(call: Call) -> Answer {
    let key = key(call, c"aias.quota_override");
    let adjustment = Adjustment {
        is_override: true,
        amount: limit(call, 2),
        valid_until: until(call, 3),
    };
    limits::adjust(&key, OVERRIDE, adjustment);
    Answer::Value(NOTHING)
}

fn quota_override_end(call: Call) -> Answer {
    let key = key(call, c"aias.quota_override_end");
    Answer::Value(limits::remove_adjustment(&key, OVERRIDE, true).into())
}

fn quota_addon(call: Call) -> Answer {
    let key = key(call, c"aias.quota_addon");
    let adjustment = Adjustment {
        is_override: false,
        amount: Some(positive(call, 3, "the amount of an add-on")),
        valid_until: until(call, 4),
    };
    limits::adjust(&key, &addon(call), adjustment);
    Answer::Value(NOTHING)
}

fn quota_addon_end(call: Call) -> Answer {
    let key = key(call, c"aias.quota_addon_end");
    Answer::Value(limits::remove_adjustment(&key, &addon(call), false).into())
}

fn quota_recount(call: Call) -> Answer {
    let key = key(call, c"aias.quota_recount");
    let used = integer(call, 2, "the amount used");
    if used < 0 {
        invalid("the amount used must not be negative");
    }
    limits::recount(&key, used);
    Answer::Value(NOTHING)
}

fn quota_reserve(call: Call) -> Answer {
    let key = key(call, c"aias.quota_reserve");
    let amount = positive(call, 2, "the amount to reserve");
    // SAFETY: SQL declares the argument as interval.
    let lease = unsafe { Interval::from_datum(call.required(3, "the lease"), false) };
    let micros = lease.map_or(0, |lease| lease.as_micros());
    if micros <= 0 {
        invalid("a lease must be longer than nothing");
    }
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    let expires_at = clock::now().saturating_add(micros);
    reservations::reserve(&key, amount, expires_at)
        .map(|id| id.into_datum().unwrap_or(NOTHING))
        .map_err(|refusal| refusal.response())
        .into()
}

fn quota_settle(call: Call) -> Answer {
    writes(c"aias.quota_settle");
    let actual = integer(call, 1, "the amount used");
    if actual < 0 {
        invalid("the amount used must not be negative");
    }
    reservations::settle(&uuid(call, 0, "the reservation"), actual);
    Answer::Value(NOTHING)
}

fn quota_spend(call: Call) -> Answer {
    let key = key(call, c"aias.quota_spend");
    let reservation = uuid(call, 2, "the reservation");
    let spent = integer(call, 3, "the amount used");
    if spent < 0 {
        invalid("the amount used must not be negative");
    }
    let is_last = call.required(4, "whether it is the last").value() != 0;
    reservations::spend(&key, &reservation, spent, is_last);
    Answer::Value(NOTHING)
}

fn quota_release(call: Call) -> Answer {
    writes(c"aias.quota_release");
    reservations::settle(&uuid(call, 0, "the reservation"), 0);
    Answer::Value(NOTHING)
}

fn quota_sweep(call: Call) -> Answer {
    writes(c"aias.quota_sweep");
    let most = integer(call, 0, "the most reservations to look at").clamp(1, 100_000);
    Answer::Value(reservations::sweep(most).into())
}

/// Whoever writes without SPI asks by itself whether it may.
fn writes(name: &'static std::ffi::CStr) {
    // SAFETY: each only raises an error, or not.
    unsafe {
        pg_sys::PreventCommandIfReadOnly(name.as_ptr());
        pg_sys::PreventCommandIfParallelMode(name.as_ptr());
    }
}

/// The first two arguments of most functions.
fn key(call: Call, name: &'static std::ffi::CStr) -> Key {
    writes(name);
    let tenant = call.required(0, "tenant");
    let meter = call.required(1, "meter");
    // SAFETY: SQL declares them as uuid and text; a text may be compressed or far away.
    unsafe {
        let meter = pg_sys::pg_detoast_datum_packed(meter.cast_mut_ptr());
        Key::new(tenant, Datum::from(meter))
    }
}

fn tenant(call: Call) -> pgrx::Uuid {
    uuid(call, 0, "tenant")
}

fn uuid(call: Call, index: usize, name: &str) -> pgrx::Uuid {
    // SAFETY: SQL declares the argument as uuid.
    unsafe { pgrx::Uuid::from_datum(call.required(index, name), false) }
        .unwrap_or(pgrx::Uuid::from_bytes([0; 16]))
}

fn text(call: Call, index: usize, name: &str) -> String {
    // SAFETY: SQL declares the argument as text.
    unsafe { String::from_datum(call.required(index, name), false) }.unwrap_or_default()
}

fn integer(call: Call, index: usize, name: &str) -> i64 {
    call.required(index, name).value() as i64
}

fn positive(call: Call, index: usize, name: &str) -> i64 {
    let amount = integer(call, index, name);
    if amount <= 0 {
        invalid(format!("{name} must be greater than 0, and not {amount}"));
    }
    amount
}

/// Null is unlimited.
fn limit(call: Call, index: usize) -> Option<i64> {
    let limit = call.optional(index).map(|limit| limit.value() as i64);
    if let Some(limit) = limit.filter(|limit| *limit < 0) {
        invalid(format!("a limit must not be negative, and is {limit}"));
    }
    limit
}

fn instant(datum: Datum) -> i64 {
    datum.value() as i64
}

/// Null is for ever.
fn until(call: Call, index: usize) -> i64 {
    call.optional(index).map_or(INFINITY, instant)
}

fn addon(call: Call) -> String {
    let name = text(call, 2, "the name of the add-on");
    if name == OVERRIDE || !(1..=200).contains(&name.len()) {
        invalid(format!(
            "an add-on has a name of 1 to 200 bytes other than {OVERRIDE:?}"
        ));
    }
    name
}

/// The billing period that holds an instant.
#[pg_extern(immutable, strict, parallel_safe)]
fn quota_period(
    anchor: TimestampWithTimeZone,
    at: TimestampWithTimeZone,
) -> TableIterator<
    'static,
    (
        name!(period_start, TimestampWithTimeZone),
        name!(period_end, TimestampWithTimeZone),
    ),
> {
    let (start, end) = period::around(anchor.into_inner(), at.into_inner());
    TableIterator::once((timestamp(start), timestamp(end)))
}

fn timestamp(at: i64) -> TimestampWithTimeZone {
    // What is outside of the calendar is as good as never.
    TimestampWithTimeZone::try_from(at)
        .unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}
