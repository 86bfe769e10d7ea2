//! Tokens that are one reservation in the database.

use std::borrow::Cow;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What tokens are counted by.
const TOKENS: &str = "llm_tokens";

/// Some of a block: what a call has drawn from it, or what it has taken of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The reservation.
    pub id: Uuid,
    pub tokens: u64,
}

/// A block that is given back, or what was set aside of a cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastBlock {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub meter: Cow<'static, str>,
}

impl LastBlock {
    pub fn of_tokens(tenant_id: Uuid, id: Uuid) -> Self {
        Self {
            tenant_id,
            id,
            meter: TOKENS.into(),
        }
    }
}

pub struct Block {
    pub id: Uuid,
    /// Less than nothing where calls took more than they had drawn.
    pub left: i64,
    /// That have drawn from it and are not written down.
    pub calls: usize,
    pub until: Instant,
    pub is_spare: bool,
}

impl Block {
    pub fn free(&self) -> u64 {
        u64::try_from(self.left).unwrap_or(0)
    }

    pub fn is_open(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// More than fits is more than any plan has.
pub fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 4)
}
