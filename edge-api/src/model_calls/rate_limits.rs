//! What is left of the present minute, as OpenAI's clients read it:
//! <https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::purses::Held;

const MINUTE: f64 = 60.0;

/// Of a tenant, a key or a model. None: there is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimits {
    pub requests: Option<MinuteLimit>,
    pub tokens: Option<MinuteLimit>,
}

#[derive(Debug, Clone, Copy)]
pub struct MinuteLimit {
    allowed: u64,
    remaining: u64,
}

impl MinuteLimit {
    pub(super) fn of(allowed: Option<i64>, remaining: Option<i64>) -> Option<Self> {
        Some(Self {
            allowed: allowed?.try_into().ok()?,
            remaining: remaining?.try_into().unwrap_or(0),
        })
    }

    /// With what this process has counted already and not used.
    fn and(self, held: u64) -> Self {
        Self {
            remaining: self.allowed.min(self.remaining.saturating_add(held)),
            ..self
        }
    }

    /// The bucket leaks evenly.
    fn full_after_seconds(self) -> f64 {
        match self.allowed {
            0 => MINUTE,
            allowed => (allowed - self.remaining) as f64 * MINUTE / allowed as f64,
        }
    }
}

impl RateLimits {
    pub(super) fn with_held(self, held: Held) -> Self {
        Self {
            requests: self.requests.map(|limit| limit.and(held.requests.into())),
            tokens: self.tokens.map(|limit| limit.and(held.tokens)),
        }
    }

    /// Of each of the two the one that has less left.
    pub(super) fn or_less(self, other: &Self) -> Self {
        let less = |one: Option<MinuteLimit>, other: Option<MinuteLimit>| {
            let both = one.into_iter().chain(other);
            both.min_by_key(|limit| limit.remaining)
        };
        Self {
            requests: less(self.requests, other.requests),
            tokens: less(self.tokens, other.tokens),
        }
    }

    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut write = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        if let Some(limit) = self.requests {
            write("x-ratelimit-limit-requests", limit.allowed.to_string());
            write(
                "x-ratelimit-remaining-requests",
                limit.remaining.to_string(),
            );
            write("x-ratelimit-reset-requests", seconds(limit));
        }
        if let Some(limit) = self.tokens {
            write("x-ratelimit-limit-tokens", limit.allowed.to_string());
            write("x-ratelimit-remaining-tokens", limit.remaining.to_string());
            write("x-ratelimit-reset-tokens", seconds(limit));
        }
        headers
    }
}

fn seconds(limit: MinuteLimit) -> String {
    format!("{:.3}s", limit.full_after_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_and_when_all_of_it_is_back() {
        let limits = RateLimits {
            requests: MinuteLimit::of(Some(60), Some(40)),
            tokens: None,
        };
        let headers = limits
            .with_held(Held {
                tokens: 1_000,
                requests: 5,
            })
            .headers();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("x-ratelimit-limit-requests"), Some("60"));
        assert_eq!(header("x-ratelimit-remaining-requests"), Some("45"));
        assert_eq!(header("x-ratelimit-reset-requests"), Some("15.000s"));
        assert_eq!(header("x-ratelimit-limit-tokens"), None);
    }

    #[test]
    fn the_one_that_has_less_left_is_told() {
        let limits = |requests, tokens| RateLimits {
            requests: MinuteLimit::of(Some(100), requests),
            tokens: MinuteLimit::of(Some(9), tokens),
        };
        let least = limits(Some(5), None).or_less(&limits(Some(3), Some(2)));
        let left = |limit: Option<MinuteLimit>| limit.map(|limit| limit.remaining);
        assert_eq!(
            (left(least.requests), left(least.tokens)),
            (Some(3), Some(2))
        );
    }

    #[test]
    fn never_more_than_the_limit() {
        let limit = MinuteLimit::of(Some(10), Some(8)).unwrap().and(100);
        assert_eq!((limit.remaining, limit.full_after_seconds()), (10, 0.0));
        let none = MinuteLimit::of(Some(0), Some(0)).unwrap();
        assert_eq!(none.full_after_seconds(), 60.0);
    }
}
