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
