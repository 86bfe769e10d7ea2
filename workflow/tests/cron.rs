//! Cron expressions.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use workflow::cron::{Cron, CronError};

fn next(cron: &str, after: &str, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap();
    let after: Timestamp = after.parse().unwrap();
    match Cron::parse(cron).unwrap().next_after(after, &zone) {
        Some(moment) => moment.to_zoned(zone).datetime().to_string(),
        None => "never".to_owned(),
    }
}

#[test]
fn the_next_time_is_on_the_clocks_of_the_zone() {
    for (cron, after, zone, expected) in [
        (
            "* * * * *",
            "2026-01-01T00:00:30Z",
            "UTC",
            "2026-01-01T00:01:00",
        ),
        (
            "0 8 * * *",
            "2026-01-01T07:30:00Z",
            "Europe/Berlin",
            "2026-01-02T08:00:00",
        ),
        (
            "0 0 29 2 *",
            "2026-01-01T00:00:00Z",
            "UTC",
            "2028-02-29T00:00:00",
        ),
        (
            "0 0 29 2 *",
            "2096-03-01T00:00:00Z",
            "UTC",
            "2104-02-29T00:00:00",
        ),
        (
            "30 4 1,15 * 5",
            "2026-01-03T00:00:00Z",
            "UTC",
            "2026-01-09T04:30:00",
        ),
        (
            "30 4 13 * *",
            "2026-01-13T04:30:00Z",
            "UTC",
            "2026-02-13T04:30:00",
        ),
        (
            "0 0 * * 7",
            "2026-01-01T00:00:00Z",
            "UTC",
            "2026-01-04T00:00:00",
        ),
        (
            "5/20 1-3/2 * JAN Sun",
            "2026-01-01T00:00:00Z",
            "UTC",
            "2026-01-04T01:05:00",
        ),
        (
            "@weekly",
            "2026-01-01T00:00:00Z",
            "UTC",
            "2026-01-04T00:00:00",
        ),
        // Clocks jump from 02:00 to 03:00: a job of 02:30 runs once, an hour late by the clock.
        (
            "30 2 * * *",
            "2026-03-29T00:00:00Z",
            "Europe/Berlin",
            "2026-03-29T03:30:00",
        ),
        // And the hourly job does not lose its 03:00.
        (
            "0 * * * *",
            "2026-03-29T00:30:00Z",
            "Europe/Berlin",
            "2026-03-29T03:00:00",
        ),
        // Clocks are set back from 03:00 to 02:00: 02:30 comes twice and counts once.
        (
            "30 2 * * *",
            "2026-10-25T00:30:00Z",
            "Europe/Berlin",
            "2026-10-26T02:30:00",
        ),
    ] {
        assert_eq!(
            next(cron, after, zone),
            expected,
            "{cron} after {after} in {zone}"
        );
    }
}

#[test]
fn what_is_not_a_cron_expression() {
    for text in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "1, * * * *",
        "a * * * *",
        "+1 * * * *",
        "-1 * * * *",
        "@reboot",
        "@Daily",
        "1/2/3 * * * *",
        "* * * febr *",
        "9999999999 * * * *",
        "\u{0} * * * *",
        "** * * * *",
    ] {
        assert!(Cron::parse(text).is_err(), "{text:?}");
    }
    for never in ["0 0 31 2 *", "0 0 30,31 2 *", "0 0 31 4,6,9,11 *"] {
        assert_eq!(Cron::parse(never), Err(CronError::Never), "{never}");
    }
    assert!(Cron::parse("0 0 31 2 mon").is_ok(), "the weekday matches");
}
