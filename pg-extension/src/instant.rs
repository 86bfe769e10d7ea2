//! Postgres's instants, microseconds since 2000-01-01 00:00 UTC, as dates.

/// `timestamptz 'infinity'`.
pub const INFINITY: i64 = i64::MAX;
/// `timestamptz '-infinity'`.
pub const MINUS_INFINITY: i64 = i64::MIN;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

pub fn is_finite(at: i64) -> bool {
    at != INFINITY && at != MINUS_INFINITY
}

/// RFC 3339, in UTC.
pub fn to_rfc3339(at: i64) -> String {
    let civil = Civil::of(at);
    let time = at.rem_euclid(DAY);
    let (seconds, micros) = (time / SECOND, time % SECOND);
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}Z",
        civil.year,
        civil.month,
        civil.day,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
    )
}

/// Seconds since 1970, rounded up: an instant that a client may wait for must not come early.
pub fn to_unix_seconds(at: i64) -> i64 {
    at.div_euclid(SECOND) + i64::from(at.rem_euclid(SECOND) != 0) + EPOCH_DAYS * 86_400
}

/// A date in the proleptic Gregorian calendar.
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

impl Civil {
    /// The proleptic Gregorian date, by the algorithm of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
    pub fn of(at: i64) -> Self {
        // Days since 0000-03-01, so that the leap day is the last of its year.
        let days = at.div_euclid(DAY) + EPOCH_DAYS + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }
}

/// Days since 2000-01-01.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS
}

pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year.rem_euclid(4) == 0
            && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) =>
        {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
