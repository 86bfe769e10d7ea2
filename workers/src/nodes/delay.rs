//! `delay`: a timer, which is a row and not a sleeping task.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Failure, Success};

/// Longest delay: a leap year, as in the node's schema.
const LONGEST_SECONDS: f64 = 31_622_400.0;

/// When the step is over, and what it then says.
#[derive(Debug, Clone, PartialEq)]
pub struct Delay {
    pub until: Timestamp,
}

impl Delay {
    pub fn success(&self) -> Success {
        Success::from(json!({"until": self.until}))
    }
}

/// Reads a rendered config: `{seconds}` from now, or `{until}`, an RFC 3339 time.
///
/// # Errors
/// When a template rendered to something that is no number and no time.
pub fn read(config: &Value, now: Timestamp) -> Result<Delay, Failure> {
    let until = match (config.get("seconds"), config.get("until")) {
        (Some(seconds), _) => {
            let number = match seconds {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_f64(),
            };
            let seconds = number
                .filter(|number| (0.0..=LONGEST_SECONDS).contains(number))
                .ok_or_else(|| {
                    Failure::invalid_config(format!(
                        "seconds is {seconds}; it must be a number from 0 to {LONGEST_SECONDS}"
                    ))
                })?;
            now.checked_add(SignedDuration::from_secs_f64(seconds)).ok()
        }
        (None, Some(Value::String(text))) => text.trim().parse::<Timestamp>().ok(),
        _ => None,
    };
    until.map(|until| Delay { until }).ok_or_else(|| {
        Failure::invalid_config("until is no RFC 3339 time such as 2026-01-31T09:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn counts_from_now_or_names_a_time() {
        for (config, until) in [
            (json!({"seconds": 1.5}), "2026-01-31T09:00:01.5Z"),
            (json!({"seconds": " 60 "}), "2026-01-31T09:01:00Z"),
            (
                json!({"until": "2026-02-01T00:00:00+01:00"}),
                "2026-01-31T23:00:00Z",
            ),
        ] {
            assert_eq!(read(&config, now()).unwrap().until.to_string(), until);
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for config in [
            json!({"seconds": -1}),
            json!({"seconds": "soon"}),
            json!({"seconds": 1e300}),
            json!({"seconds": null}),
            json!({"until": "tomorrow"}),
            json!({"until": 5}),
            json!({}),
        ] {
            assert_eq!(
                read(&config, now()).unwrap_err().code,
                "invalid_config",
                "{config}"
            );
        }
    }
}
