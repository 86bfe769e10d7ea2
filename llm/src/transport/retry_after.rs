//! How long a provider asks us to stay away.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Reads `retry-after-ms` (OpenAI, Anthropic) and `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn from_headers(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let text = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed means: now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// Reads protobuf's JSON form of a duration, `"1.5s"`, which Google puts into the error's details.
pub(super) fn from_protobuf(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        from_headers(&headers, "2026-03-01T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(read("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(
            read("retry-after", "0.25"),
            Some(Duration::from_millis(250))
        );
        assert_eq!(
            read("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(
            read("retry-after", "Sun, 01 Mar 2026 12:00:07 GMT"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            read("retry-after", "Sun, 01 Mar 2026 11:00:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(from_protobuf("34.5s"), Some(Duration::from_millis(34_500)));
    }

    #[test]
    fn nonsense_is_no_wish() {
        for value in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(read("retry-after", value), None, "{value}");
        }
        assert_eq!(from_protobuf("1m"), None);
    }
}
