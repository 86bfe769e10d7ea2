//! Billing periods: months counted from an anchor, in UTC, as Stripe counts them.
//!
//! Period `n` begins at the anchor plus `n` months, and where that month is too short, on its last day. Each start is computed from the
//! anchor itself and not from the period before, so a tenant that was billed on January 31 is billed on February 28 and again on March 31.
//! UTC, because a period must begin at the same instant whatever time zone the session that asks is set to.
//!
//! Instants are Postgres's own, see `instant`.

use crate::instant::{
    Civil, DAY, INFINITY, MINUS_INFINITY, days_from_civil, days_in_month, is_finite,
};

/// When the period that holds `at` begins and ends; it ends where the next one begins.
pub fn around(anchor: i64, at: i64) -> (i64, i64) {
    if !is_finite(anchor) || !is_finite(at) {
        return (MINUS_INFINITY, INFINITY);
    }
    let (from, to) = (Civil::of(anchor), Civil::of(at));
    let mut months = (to.year - from.year) * 12 + (to.month - from.month);
    // The month difference is right, or one too many when the day in the month has not come yet.
    if add_months(anchor, months) > at {
        months -= 1;
    }
    (add_months(anchor, months), add_months(anchor, months + 1))
}

/// The first instant of the month that holds `at`: where periods begin when nobody said otherwise.
pub fn month_start(at: i64) -> i64 {
    if !is_finite(at) {
        return 0;
    }
    let civil = Civil::of(at);
    days_from_civil(civil.year, civil.month, 1).saturating_mul(DAY)
}

fn add_months(anchor: i64, months: i64) -> i64 {
    let civil = Civil::of(anchor);
    let month0 = civil.year * 12 + (civil.month - 1) + months;
    let (year, month) = (month0.div_euclid(12), month0.rem_euclid(12) + 1);
    let day = civil.day.min(days_in_month(year, month));
    days_from_civil(year, month, day)
        .saturating_mul(DAY)
        .saturating_add(anchor.rem_euclid(DAY))
}
