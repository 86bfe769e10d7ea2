use chrono::{DateTime, Utc};
use llm::Usage;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::block::Part;

/// Dollars that are set aside for a call, from one of its caps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    pub meter: String,
    /// The reservation.
    pub id: Uuid,
}

/// What a call took, as `edge.end_model_calls` takes it and the journal keeps it. It holds nothing of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedCall {
    /// The call's own: what is said twice counts once.
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// How many of its tokens are of which block. Of a call that is being made: what it has drawn.
    pub blocks: Vec<Part>,
    /// What was set aside of spending caps; the database knows what the call costs.
    #[serde(default)]
    pub caps: Vec<Cap>,
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    /// Not known of calls that were noted by a release of before.
    #[serde(default)]
    pub agent_version: Option<i32>,
    pub provider: String,
    pub model: String,
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    #[serde(default)]
    pub cache_write_input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub is_estimated: bool,
    pub own_key: bool,
    pub ended_at: DateTime<Utc>,
}

impl EndedCall {
    /// Nothing more was heard of it: it took `usage`, of the blocks that it had drawn from and the last of them beyond that.
    pub(super) fn took(&mut self, usage: &Usage) {
        self.set_usage(usage);
        let mut rest = usage.total_tokens();
        if let Some((last, others)) = self.blocks.split_last_mut() {
            for part in others {
                part.tokens = part.tokens.min(rest);
                rest -= part.tokens;
            }
            last.tokens = rest;
        }
    }

    pub(super) fn set_usage(&mut self, usage: &Usage) {
        self.input_tokens = usage.input_tokens;
        self.cached_input_tokens = usage.cached_input_tokens.min(usage.input_tokens);
        self.cache_write_input_tokens = usage.cache_write_input_tokens;
        self.output_tokens = usage.output_tokens;
        self.reasoning_tokens = usage.reasoning_tokens;
    }
}
