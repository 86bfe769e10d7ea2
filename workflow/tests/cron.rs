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
        // But an hour is an hour: what says how often goes on in the second 02:00, too.
        (
            "*/30 * * * *",
            "2026-10-25T00:30:00Z",
            "Europe/Berlin",
            "2026-10-25T02:00:00",
        ),
        (
            "0 */2 * * *",
            "2026-03-29T00:00:00Z",
            "Europe/Berlin",
            "2026-03-29T04:00:00",
        ),
        // A zone that moves by half an hour: 02:15 is left out, and 02:45 is the 02:15 of before.
        (
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            "Australia/Lord_Howe",
            "2026-10-04T02:45:00",
        ),
        // Clocks that jump at midnight.
        (
            "0 0 * * *",
            "2026-09-05T12:00:00Z",
            "America/Santiago",
            "2026-09-06T01:00:00",
        ),
    ] {
        assert_eq!(
            next(cron, after, zone),
            expected,
            "{cron} after {after} in {zone}"
        );
    }
}

fn moments(texts: &[&str]) -> Vec<Timestamp> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_night_of_a_change_as_a_list() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let between = |cron: &str, after: &str, until: &str| {
        let cron = Cron::parse(cron).unwrap();
        cron.between(
            after.parse().unwrap(),
            until.parse().unwrap(),
            &berlin,
            1_000,
        )
    };
    let spring = ("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
    let autumn = ("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    assert_eq!(
        between("*/30 * * * *", spring.0, spring.1),
        moments(&[
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:00:00Z",
        ])
    );
    assert_eq!(
        between("*/30 * * * *", autumn.0, autumn.1),
        moments(&[
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ])
    );
    // 02:30 and 03:30 are the same moment in spring, which is there once.
    assert_eq!(
        between("30 2,3 * * *", spring.0, spring.1),
        moments(&["2026-03-29T01:30:00Z"])
    );
    // In autumn 02:30 is the first of the two.
    assert_eq!(
        between(
            "30 2,3 * * *",
            "2026-10-24T12:00:00Z",
            "2026-10-25T12:00:00Z"
        ),
        moments(&["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"])
    );
}

/// What is listed is what is found one after the other.
#[test]
fn lists_agree_with_steps() {
    for cron in [
        "7 * * * *",
        "*/20 1-3 * * *",
        "0 0 * * *",
        "30 2 29 3,10 *",
        "0 2 * * sun",
    ] {
        for zone in [
            "UTC",
            "Europe/Berlin",
            "Australia/Lord_Howe",
            "America/Santiago",
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let cron = Cron::parse(cron).unwrap();
            let after: Timestamp = "2026-03-20T00:17:00Z".parse().unwrap();
            let until: Timestamp = "2026-11-05T00:00:00Z".parse().unwrap();
            let mut steps = Vec::new();
            let mut at = after;
            while let Some(next) = cron.next_after(at, &zone).filter(|next| *next <= until) {
                steps.push(next);
                at = next;
            }
            assert_eq!(
                cron.between(after, until, &zone, usize::MAX),
                steps,
                "{cron:?}"
            );
            assert_eq!(
                cron.last_between(after, until, &zone),
                steps.last().copied()
            );
            let few = cron.between(after, until, &zone, 5);
            assert_eq!(few, steps.iter().take(5).copied().collect::<Vec<_>>());
        }
    }
}

#[test]
fn nothing_between_is_nothing() {
    let cron = Cron::parse("0 12 * * *").unwrap();
    let (after, until) = (
        "2026-01-01T12:00:00Z".parse().unwrap(),
        "2026-01-02T11:59:59Z".parse().unwrap(),
    );
    assert!(cron.between(after, until, &TimeZone::UTC, 9).is_empty());
    assert_eq!(cron.last_between(after, until, &TimeZone::UTC), None);
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
