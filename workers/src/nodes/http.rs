//! `http`: calls an endpoint that a tenant named, by the rules of the crate `outbound`.

pub use outbound::http::Clients;
use outbound::{Redaction, http};
use serde_json::Value;

use super::{Failure, Success};

/// Makes the request of a rendered config and reads the answer. What `redaction` hides is in neither.
///
/// # Errors
/// Those of [`outbound::http::run`].
pub async fn run(
    clients: &Clients,
    config: &Value,
    redaction: &Redaction,
) -> Result<Success, Failure> {
    Ok(http::run(clients, config, redaction).await?.into())
}
