//! Rate limits: a bucket of so many requests for each key and window, which leaks evenly.
//!
//! `gcra` decides, without Postgres. `shared` keeps the buckets in shared memory, where the library is preloaded; a request then counts at
//! once and for good, whatever becomes of its transaction. `stored` keeps them in a table, where it is not.

use pgrx::datum::{FromDatum, Interval};
use pgrx::prelude::*;
use serde_json::json;

mod gcra;
mod settings;
mod shared;
mod stored;

use gcra::{Decision, Limit};
use shared::SHARED;

use crate::door::{Answer, Call, NOTHING, Response, function};
use crate::fault::invalid;
use crate::instant;

function!(aias_rate_limit, pg_finfo_aias_rate_limit, rate_limit);
function!(
    aias_rate_limit_or_refuse,
    pg_finfo_aias_rate_limit_or_refuse,
    rate_limit_or_refuse
);
function!(
    aias_rate_limit_remaining,
    pg_finfo_aias_rate_limit_remaining,
    rate_limit_remaining
);
function!(
    aias_rate_limit_sweep,
    pg_finfo_aias_rate_limit_sweep,
    rate_limit_sweep
);

/// Called when the library is loaded.
#[expect(
    unexpected_cfgs,
    reason = "pgrx's macro asks for versions of Postgres that are not supported here"
)]
pub fn init(is_preloaded: bool) {
    settings::define(is_preloaded);
    if is_preloaded {
        pgrx::pg_shmem_init!(SHARED = ());
    }
}

/// The arguments that they have in common.
struct Request<'a> {
    key: &'a str,
    limit: Limit,
    cost: i64,
    /// Nanoseconds since 2000.
    now: i64,
}

fn rate_limit(call: Call) -> Answer {
    let request = request(call, 3, 4);
    Answer::Value(decide(&request).is_admitted.into())
}

fn rate_limit_or_refuse(call: Call) -> Answer {
    let request = request(call, 3, 5);
    let decision = decide(&request);
    if decision.is_admitted {
        return Answer::Value(NOTHING);
    }
    let meter = call
        .optional(4)
        // SAFETY: SQL declares the argument as text.
        .and_then(|meter| unsafe { <&str>::from_datum(meter, false) });
    refusal(&request, &decision, meter.unwrap_or(request.key)).into()
}

fn rate_limit_remaining(call: Call) -> Answer {
    let (key, limit, now) = (key(call), limit(call), now(call, 3));
    let empty_at = match settings::in_table() {
        false => SHARED.peek(key, &limit),
        true => None,
    };
    let empty_at = empty_at.unwrap_or_else(|| stored::peek(key, &limit));
    Answer::Value(limit.decide(empty_at, now, 0).remaining.into())
}

fn rate_limit_sweep(call: Call) -> Answer {
    let most = call.required(0, "the most rows to remove").value() as i64;
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    Answer::Value(stored::sweep(now.saturating_mul(1000), most.clamp(1, 1_000_000)).into())
}

fn decide(request: &Request<'_>) -> Decision {
    let Request {
        key,
        limit,
        cost,
        now,
    } = request;
    if !settings::in_table()
        && let Some(decision) = SHARED.decide(key, limit, *now, *cost)
    {
        return decision;
    }
    stored::decide(key, limit, *now, *cost)
}

fn request(call: Call, cost: usize, at: usize) -> Request<'static> {
    let limit = limit(call);
    let cost = i64::from(call.required(cost, "the cost").value() as i32);
    // A limit of 0 is somebody's plan and refuses; a cost that no plan in force can ever admit is the caller's mistake.
    if !(1..=limit.requests().max(1)).contains(&cost) {
        invalid(format!(
            "a limit of {} never admits a cost of {cost}; a cost is from 1 to the limit",
            limit.requests()
        ));
    }
    Request {
        key: key(call),
        limit,
        cost,
        now: now(call, at),
    }
}

fn key(call: Call) -> &'static str {
    // SAFETY: SQL declares the argument as text, and it outlives the call.
    let key: &'static str =
        unsafe { <&str>::from_datum(call.required(0, "key"), false) }.unwrap_or_default();
    if !(1..=500).contains(&key.len()) {
        invalid(format!("a key has 1 to 500 bytes, not {}", key.len()));
    }
    key
}

fn limit(call: Call) -> Limit {
    let requests = call.required(1, "the number of requests").value() as i32;
    // SAFETY: SQL declares the argument as interval.
    let window = unsafe { Interval::from_datum(call.required(2, "the window"), false) };
    // A month is 30 days, as where Postgres compares intervals.
    let micros = window.map_or(0, |window| window.as_micros());
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Limit::new(i64::from(requests), micros).unwrap_or_else(|| {
        invalid(
            "a rate limit is a number of requests, not negative, in a window of at most 366 days, and no more than one each microsecond",
        )
    })
}

fn now(call: Call, index: usize) -> i64 {
    let at = call.required(index, "the instant").value() as i64;
    if !(-FARTHEST_MICROS..=FARTHEST_MICROS).contains(&at) {
        invalid("the instant must be from 1750 to 2250");
    }
    at * 1000
}

/// 250 years: with the longest window on top, it stays within what nanoseconds can say.
const FARTHEST_MICROS: i64 = 250 * 365 * 86_400 * 1_000_000;

fn refusal(request: &Request<'_>, decision: &Decision, meter: &str) -> Response {
    let limit = request.limit.requests();
    let seconds = decision.retry_after.div_euclid(SECOND_NANOS)
        + i64::from(decision.retry_after.rem_euclid(SECOND_NANOS) != 0);
    let resets = (request.now + decision.retry_after).max(decision.empty_at);
    let resets = resets.div_euclid(1000) + i64::from(resets.rem_euclid(1000) != 0);
    let details = json!({
        "meter": meter,
        "limit": limit,
        "used": limit - decision.remaining,
        "requested": request.cost,
        "resets_at": instant::to_rfc3339(resets),
    });
    Response {
        status: 429,
        code: "rate_limited",
        message: format!(
            "too many requests: {limit} are allowed in {} s; try again in {seconds} s",
            request.limit.window() as f64 / SECOND_NANOS as f64
        ),
        details: details.to_string(),
        hint: "retry after the time that Retry-After says".to_owned(),
        headers: vec![
            ("Retry-After", seconds.max(1).to_string()),
            ("X-Quota-Limit", limit.to_string()),
            ("X-Quota-Remaining", decision.remaining.to_string()),
            (
                "X-Quota-Reset",
                instant::to_unix_seconds(resets).to_string(),
            ),
        ],
    }
}

const SECOND_NANOS: i64 = 1_000_000_000;
