use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a call took, as `edge.end_model_calls` takes it and the spool keeps it. It holds nothing of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedCall {
    /// The call's own: what is said twice counts once.
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub reservation: Uuid,
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    pub provider: String,
    pub model: String,
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub is_estimated: bool,
    pub own_key: bool,
    pub ended_at: DateTime<Utc>,
}
