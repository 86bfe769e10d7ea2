//! What is counted already of a limit a minute, and not used yet.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::demand::Demand;

/// As many seconds of what was asked for lately are counted at once.
pub const AHEAD: u64 = 2;

/// A limit a minute beside the tenant's: of a key, of a model, or of one with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub id: Uuid,
    pub limits_requests: bool,
    pub limits_tokens: bool,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub tokens: u64,
    pub requests: u32,
}

/// What has to be asked of the database in a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MissingOfLimit {
    pub id: Uuid,
    pub tokens: u64,
    pub more_tokens: u64,
    pub requests: u32,
    pub more_requests: u32,
}

/// What the database has counted in a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct CountedInLimit {
    pub id: Uuid,
    pub tokens: u64,
    pub requests: u32,
}

/// Of one limit, for calls to come.
pub struct Allowance {
    pub tokens: u64,
    pub requests: u32,
    tokens_asked: Demand,
    requests_asked: Demand,
    pub used_at: Instant,
}

impl Allowance {
    pub fn new(now: Instant) -> Self {
        Self {
            tokens: 0,
            requests: 0,
            tokens_asked: Demand::new(now),
            requests_asked: Demand::new(now),
            used_at: now,
        }
    }

    pub fn has(&self, limit: &Limit, wanted: Wanted) -> bool {
        (!limit.limits_requests || self.requests >= wanted.requests)
            && (!limit.limits_tokens || self.tokens >= wanted.tokens)
    }

    /// What it [has](Self::has). Of what is not limited nothing is kept.
    pub fn take(&mut self, wanted: Wanted, now: Instant) {
        self.requests = self.requests.saturating_sub(wanted.requests);
        self.tokens = self.tokens.saturating_sub(wanted.tokens);
        self.requests_asked.add(wanted.requests.into(), now);
        self.tokens_asked.add(wanted.tokens, now);
        self.used_at = now;
    }

    pub fn put_in(&mut self, counted: &CountedInLimit, now: Instant) {
        self.requests = self.requests.saturating_add(counted.requests);
        self.tokens = self.tokens.saturating_add(counted.tokens);
        self.used_at = now;
    }

    pub fn missing(&mut self, limit: &Limit, wanted: Wanted, now: Instant) -> MissingOfLimit {
        let (more_tokens, more_requests) = self.ahead(now);
        let of_requests = |count: u32| if limit.limits_requests { count } else { 0 };
        let of_tokens = |count: u64| if limit.limits_tokens { count } else { 0 };
        MissingOfLimit {
            id: limit.id,
            tokens: of_tokens(wanted.tokens.saturating_sub(self.tokens)),
            more_tokens: of_tokens(more_tokens),
            requests: of_requests(wanted.requests.saturating_sub(self.requests)),
            more_requests: of_requests(more_requests),
        }
    }

    /// Beyond what is held.
    pub fn ahead(&mut self, now: Instant) -> (u64, u32) {
        let tokens = (self.tokens_asked.recent(now) * AHEAD).saturating_sub(self.tokens);
        let requests =
            (self.requests_asked.recent(now) * AHEAD).saturating_sub(self.requests.into());
        (tokens, u32::try_from(requests).unwrap_or(u32::MAX / 2))
    }
}
