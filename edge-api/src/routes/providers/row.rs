use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::provider::Provider;

/// A provider of models, and what can be seen of the tenant's own key to it: everything but the key.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub struct ProviderRow {
    /// The part of a model's name before the slash.
    #[schema(example = "openai")]
    pub provider: &'static str,
    /// Whether calls are made with a key of the tenant's own, and not with the platform's.
    pub own_key: bool,
    /// The last four characters of the tenant's own key; null without one, and where it has fewer than 12.
    #[schema(required, example = "aB3x")]
    pub last_four: Option<String>,
    /// The user who set it; null without one, when that was an API key, and once the user is gone.
    #[schema(required)]
    pub set_by: Option<Uuid>,
    /// Null without one.
    #[schema(required)]
    pub set_at: Option<DateTime<Utc>>,
}

/// As the table has it.
#[derive(Deserialize)]
pub struct KeyRow {
    pub provider: String,
    pub last_four: Option<String>,
    pub set_by: Option<Uuid>,
    pub set_at: DateTime<Utc>,
}

impl ProviderRow {
    pub fn new(provider: Provider, key: Option<KeyRow>) -> Self {
        let own_key = key.is_some();
        let (last_four, set_by, set_at) = match key {
            Some(key) => (key.last_four, key.set_by, Some(key.set_at)),
            None => (None, None, None),
        };
        Self {
            provider: provider.name(),
            own_key,
            last_four,
            set_by,
            set_at,
        }
    }
}
