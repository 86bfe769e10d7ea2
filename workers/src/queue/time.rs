//! Between the database's times and ours.

use jiff::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};

/// Times beyond jiff's years (-9999 to 9999) become its ends.
pub(super) fn from_database(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from_microsecond(time.timestamp_micros()).unwrap_or(if time.timestamp() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Times that the database's library does not know become now.
pub(super) fn to_database(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.as_microsecond()).unwrap_or_else(Utc::now)
}
