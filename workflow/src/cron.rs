//! Cron expressions: five fields, as crontab(5) of Vixie cron has them.

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// A parsed cron expression: minute, hour, day of month, month, day of week. Each field is `*`, a
/// number, a range `1-5`, a list `1,3`, or a step `*/15`, `8-18/2`; months and days may be named
/// (`jan`, `mon`), and 7 is Sunday like 0. When both day fields are restricted, a day that matches
/// either counts. `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and
/// `@annually` stand for what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// One bit for each value that matches.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day field begins with `*` and so does not restrict the day.
    any_day: bool,
    any_weekday: bool,
    /// Whether the hour field begins with `*`: then it says how often and not when.
    any_hour: bool,
}

/// Why a text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// Not five fields.
    #[error("a cron expression has five fields, this has {0}")]
    Fields(usize),
    /// A field that cannot be read.
    #[error("`{text}` is not a {field}: use {least} to {most}, a range, a list or a step")]
    Field {
        /// Which one.
        field: &'static str,
        /// What stands there, shortened.
        text: String,
        /// The least number it may have.
        least: u8,
        /// The greatest.
        most: u8,
    },
    /// An `@` word that does not exist.
    #[error("there is no `{0}`; use @hourly, @daily, @weekly, @monthly or @yearly")]
    Word(String),
    /// Its days do not exist in its months.
    #[error("never matches: its months have no such day")]
    Never,
}

struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        most: 59,
        names: &[],
    },
    Field {
        name: "hour",
        least: 0,
        most: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        least: 1,
        most: 31,
        names: &[],
    },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const LONGEST_MONTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads a cron expression.
    ///
    /// # Errors
    /// When it is not one, or can never match.
    pub fn parse(text: &str) -> Result<Cron, CronError> {
        let text = text.trim();
        let text = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            word if word.starts_with('@') => return Err(CronError::Word(shortened(word))),
            fields => fields,
        };
        let count = text.split_ascii_whitespace().count();
        if count != FIELDS.len() {
            return Err(CronError::Fields(count));
        }
        let mut sets = [0; 5];
        let mut is_any = [false; 5];
        for ((text, field), (set, any)) in text
            .split_ascii_whitespace()
            .zip(&FIELDS)
            .zip(sets.iter_mut().zip(&mut is_any))
        {
            *set = field.parse(text).ok_or_else(|| CronError::Field {
                field: field.name,
                text: shortened(text),
                least: field.least,
                most: field.most,
            })?;
            *any = text.starts_with('*');
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let cron = Cron {
            minutes,
            hours,
            days,
            months,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            any_day: is_any[2],
            any_weekday: is_any[4],
            any_hour: is_any[1],
        };
        if cron.can_match() {
            Ok(cron)
        } else {
            Err(CronError::Never)
        }
    }

    /// The first time after `after` that matches on the clocks of the time zone; `None` when there
    /// is none before the year 9999.
    ///
    /// When clocks change, what Vixie cron does is done. A local time that is left out counts as
    /// late as the clocks jump, and one that comes twice counts once, the first time. An
    /// expression whose hours begin with `*` goes on as time does: it says how often, so every
    /// hour is an hour long, none is made up and none is left out.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A day earlier than the clock says, since clocks may be set back over midnight.
        let today = after.to_zoned(zone.clone()).date();
        let mut date = today.yesterday().unwrap_or(today);
        // A 29 February on a given weekday is at most 40 years away, around a year like 2100.
        let last = date.checked_add(41.years()).unwrap_or(Date::MAX);
        while date <= last {
            if !has(self.months, date.month()) {
                date = date.first_of_month().checked_add(1.month()).ok()?;
                continue;
            }
            if self.matches_day(date)
                && let Some(moment) = self.on(date, zone).filter(|at| *at > after).min()
            {
                return Some(moment);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The first `most` times after `after`, up to and including `until`, in order.
    pub fn between(
        &self,
        after: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
        most: usize,
    ) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut days_beyond = 0;
        for date in days(after, until, zone) {
            if self.matches_day(date) && has(self.months, date.month()) {
                let within = |at: &Timestamp| *at > after && *at <= until;
                found.extend(self.on(date, zone).filter(within));
            }
            // Local times in a gap may fall into the next day, behind some of its own.
            if found.len() >= most {
                days_beyond += 1;
                if days_beyond > 1 {
                    break;
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(most);
        found
    }

    /// The last time after `after`, up to and including `until`.
    pub fn last_between(
        &self,
        after: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let mut found = None;
        for date in days(after, until, zone).rev() {
            let is_last_look = found.is_some();
            if self.matches_day(date) && has(self.months, date.month()) {
                let within = |at: &Timestamp| *at > after && *at <= until;
                found = found.max(self.on(date, zone).filter(within).max());
            }
            if is_last_look {
                break;
            }
        }
        found
    }

    /// The moments of one day's local times, in the order of these. The whole day is looked at,
    /// because local times in a gap fall behind later ones.
    fn on<'a>(&'a self, date: Date, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let times = |set: u64, count: i8| (0..count).filter(move |value| has(set, *value));
        times(self.hours, 24)
            .flat_map(move |hour| times(self.minutes, 60).map(move |minute| (hour, minute)))
            .flat_map(move |(hour, minute)| {
                let local = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
                let is_gap = matches!(local.offset(), AmbiguousOffset::Gap { .. });
                let moments = match (self.any_hour, is_gap) {
                    (true, true) => [None, None],
                    (true, false) => [local.earlier().ok(), local.later().ok()],
                    (false, _) => [local.compatible().ok(), None],
                };
                moments.into_iter().flatten()
            })
    }

    fn matches_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        }
    }

    fn can_match(&self) -> bool {
        if !self.any_day && !self.any_weekday {
            return true;
        }
        (1_u8..).zip(LONGEST_MONTHS).any(|(month, length)| {
            self.months & (1 << month) != 0 && self.days & ((2 << length) - 2) != 0
        })
    }
}

/// The local dates on which anything between two moments may lie, and one more at either end.
fn days(
    after: Timestamp,
    until: Timestamp,
    zone: &TimeZone,
) -> impl DoubleEndedIterator<Item = Date> {
    let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let first = date(after).yesterday().unwrap_or(Date::MIN);
    let last = date(until).tomorrow().unwrap_or(Date::MAX);
    let count = (last - first).get_days().max(0);
    (0..=count).filter_map(move |days| first.checked_add(days.days()).ok())
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set & (1 << value) != 0)
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

impl Field {
    /// The values that match, as bits.
    fn parse(&self, text: &str) -> Option<u64> {
        text.split(',')
            .try_fold(0, |set, part| Some(set | self.parse_part(part)?))
    }

    fn parse_part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // `5/15` is every fifteenth from the fifth on.
            None if step.is_some() => (self.value(range)?, self.most),
            None => {
                let value = self.value(range)?;
                (value, value)
            }
        };
        let step = step.unwrap_or(1);
        if step == 0 || first > last {
            return None;
        }
        Some(
            (first..=last)
                .step_by(usize::from(step))
                .fold(0, |set, value| set | 1 << value),
        )
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
            .and_then(|index| u8::try_from(index).ok());
        let value = match named {
            Some(index) => index + self.least,
            None => number(text)?,
        };
        (self.least..=self.most).contains(&value).then_some(value)
    }
}

/// Digits only: `parse` alone would let a sign through.
fn number(text: &str) -> Option<u8> {
    if text.is_empty() || text.len() > 3 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
