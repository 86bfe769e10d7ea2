//! Fetches and opens the secrets that a call names.
//!
//! Nothing is kept for the next call: a secret that was set anew or deleted, and a key that was rotated, are so from the next call on. It costs one
//! read by an index, and the opening takes microseconds.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::json;
use vault::{Vault, VaultError};

use crate::nodes::{Failure, Stopped};
use crate::queue::{Claim, Queue};

/// Opens secrets, where the operator has given this worker a master key.
pub struct Opener {
    pub queue: Queue,
    pub vault: Option<Vault>,
}

impl Opener {
    /// The values of these secrets of the execution's tenant, as they are now.
    ///
    /// # Errors
    /// `secret_not_found`, `secrets_not_configured`, `database_unavailable`, and the codes of the crate `vault`.
    pub async fn open(
        &self,
        claim: Claim,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, SecretString>, Stopped> {
        let Some(vault) = &self.vault else {
            return Err(Failure::new(
                "secrets_not_configured",
                "this step uses secrets, and the worker was given no master key to open them; the operator sets AIAS_MASTER_KEY",
            )
            .into());
        };
        let sealed = match self.queue.secrets(claim, names).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Err(Stopped::ClaimLost),
            Err(error) => {
                return Err(Failure::database("read the secrets of the step", &error).into());
            }
        };
        let missing: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !sealed.values.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            return Err(not_found(&missing).into());
        }
        let Some((place, wrapped)) = &sealed.key else {
            return Ok(BTreeMap::new());
        };
        let unreadable = |error| unreadable(claim, &error);
        let key = vault.open_key(*place, wrapped).await.map_err(unreadable)?;
        let opened = sealed
            .values
            .iter()
            .map(|(name, sealed)| Ok((name.clone(), key.open(name, sealed)?)));
        Ok(opened.collect::<Result<_, _>>().map_err(unreadable)?)
    }
}

fn not_found(missing: &[&str]) -> Failure {
    let names = missing.join(", ");
    Failure::new(
        "secret_not_found",
        match missing {
            [_] => format!("there is no secret {names}; it was deleted or never set"),
            _ => format!("there are no secrets {names}; they were deleted or never set"),
        },
    )
    .details(json!({ "names": missing }))
}

/// The tenant can do nothing about it, but perhaps set the secret anew; what the operator has to know is in the log.
fn unreadable(claim: Claim, error: &VaultError) -> Failure {
    tracing::error!(
        tenant_id = %claim.key.tenant_id,
        execution_id = %claim.key.execution_id,
        code = error.code(),
        %error,
        "cannot open the secrets of a tenant"
    );
    Failure::new(
        error.code(),
        "the secrets of this step cannot be opened; the operator's log says why",
    )
    .retryable(error.is_passing())
}
