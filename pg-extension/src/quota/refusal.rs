use serde_json::json;

use super::key::Key;
use super::slot::Total;
use crate::door::Response;
use crate::instant::{self, INFINITY, SECOND};

/// Why a take was not admitted.
#[derive(Debug)]
pub struct Refusal {
    meter: String,
    limit: i64,
    used: i64,
    requested: i64,
    period_end: i64,
    now: i64,
}

/// What `Retry-After` says of a stock. It does not come back by itself, so there is no right number; this one keeps a client that
/// retries by the header from asking all the time.
const RETRY_STOCK_SECONDS: i64 = 60;

impl Refusal {
    pub fn new(key: &Key, total: &Total, requested: i64, now: i64) -> Self {
        Refusal {
            meter: key.meter().to_owned(),
            limit: total.limit.unwrap_or(i64::MAX),
            used: total.used,
            requested,
            period_end: total.period_end,
            now,
        }
    }

    /// The refusal as HTTP 402, in the form that PostgREST hands to the client.
    pub fn response(&self) -> Response {
        let resets = (self.period_end != INFINITY).then_some(self.period_end);
        let remaining = self.limit.saturating_sub(self.used).max(0);
        let details = json!({
            "meter": self.meter,
            "limit": self.limit,
            "used": self.used,
            "requested": self.requested,
            "resets_at": resets.map(instant::to_rfc3339),
        });
        let hint = match resets {
            Some(at) => format!(
                "it resets at {}; until then a larger plan helps",
                instant::to_rfc3339(at)
            ),
            None => "remove something, or change to a larger plan".to_owned(),
        };
        let retry_after = resets.map_or(RETRY_STOCK_SECONDS, |at| {
            let wait = at.saturating_sub(self.now);
            (wait / SECOND + i64::from(wait % SECOND != 0)).max(1)
        });
        Response {
            status: 402,
            code: "quota_exceeded",
            message: format!(
                "the plan allows {} of {}, {} are used, and {} more were asked for",
                self.limit, self.meter, self.used, self.requested
            ),
            details: details.to_string(),
            hint,
            headers: vec![
                ("Retry-After", retry_after.to_string()),
                ("X-Quota-Limit", self.limit.to_string()),
                ("X-Quota-Remaining", remaining.to_string()),
                (
                    "X-Quota-Reset",
                    resets.map_or_else(
                        || "never".to_owned(),
                        |at| instant::to_unix_seconds(at).to_string(),
                    ),
                ),
            ],
        }
    }
}
