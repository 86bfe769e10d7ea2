use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What can be seen of a secret: everything but its value.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretRow {
    pub tenant_id: Uuid,
    /// Steps use it as `secrets.<name>`.
    #[schema(example = "stripe_key")]
    pub name: String,
    /// The last four characters; null where the value has fewer than 12.
    #[schema(required, example = "4242")]
    pub last_four: Option<String>,
    /// The user who made it; null when that was an API key, and once the user is gone.
    #[schema(required)]
    pub created_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    /// The user who set the value that it has now; null as with `created_by`.
    #[schema(required)]
    pub updated_by: Option<Uuid>,
    pub updated_at: DateTime<Utc>,
}
