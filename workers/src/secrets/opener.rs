//! Opens what a call needs of its tenant's: the secrets that its config names, the tenant's own keys to providers.
//!
//! Nothing is kept for the next call: a value that was set anew or deleted, and a key that was rotated, are so from the next call on. It costs one
//! read by an index, and the opening takes microseconds.

use std::collections::{BTreeMap, BTreeSet};

use outbound::secrets_not_found;
use secrecy::SecretString;
use uuid::Uuid;
use vault::{Slot, Vault, VaultError};

use crate::nodes::{Failure, Stopped};
use crate::queue::{Claim, Queue, SealedSecrets};

/// Opens values, where the operator has given this worker a master key.
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
            return Err(secrets_not_found(&missing).into());
        }
        let opened = all(vault, &sealed, |name| Slot::Secret(name)).await;
        Ok(opened.map_err(|error| {
            unreadable(
                claim.key.tenant_id,
                Some(claim.key.execution_id),
                "the secrets of this step",
                &error,
            )
        })?)
    }

    /// The tenant's own keys, by provider, as they were read along with the call's tokens. Where there is one that does not open, the
    /// platform's is no substitute: who pays is the tenant's to say.
    ///
    /// # Errors
    /// `secrets_not_configured`, and the codes of the crate `vault`.
    pub async fn provider_keys(
        &self,
        claim: Claim,
        sealed: &SealedSecrets,
    ) -> Result<BTreeMap<String, SecretString>, Failure> {
        let key = claim.key;
        self.keys_of(key.tenant_id, Some(key.execution_id), sealed)
            .await
    }

    /// The same for what is done beside the executions.
    ///
    /// # Errors
    /// As [`Self::provider_keys`].
    pub async fn provider_keys_of(
        &self,
        tenant: Uuid,
        sealed: &SealedSecrets,
    ) -> Result<BTreeMap<String, SecretString>, Failure> {
        self.keys_of(tenant, None, sealed).await
    }

    async fn keys_of(
        &self,
        tenant: Uuid,
        execution: Option<Uuid>,
        sealed: &SealedSecrets,
    ) -> Result<BTreeMap<String, SecretString>, Failure> {
        if sealed.values.is_empty() {
            return Ok(BTreeMap::new());
        }
        let providers = Vec::from_iter(sealed.values.keys().map(String::as_str)).join(", ");
        let Some(vault) = &self.vault else {
            return Err(Failure::new(
                "secrets_not_configured",
                format!(
                    "this tenant has a key of its own to {providers}, and the worker was given no master key to open it; the operator sets AIAS_MASTER_KEY"
                ),
            ));
        };
        all(vault, sealed, |name| Slot::ProviderKey(name))
            .await
            .map_err(|error| {
                let what = format!("the tenant's own key to {providers}");
                unreadable(tenant, execution, &what, &error)
            })
    }
}

/// Opens all of them, or none.
async fn all(
    vault: &Vault,
    sealed: &SealedSecrets,
    slot: fn(&str) -> Slot<'_>,
) -> Result<BTreeMap<String, SecretString>, VaultError> {
    let Some((place, wrapped)) = &sealed.key else {
        return Ok(BTreeMap::new());
    };
    let key = vault.open_key(*place, wrapped).await?;
    let opened = sealed
        .values
        .iter()
        .map(|(name, sealed)| Ok((name.clone(), key.open(slot(name), sealed)?)));
    opened.collect()
}

/// The tenant can do nothing about it, but perhaps set it anew; what the operator has to know is in the log.
fn unreadable(tenant: Uuid, execution: Option<Uuid>, what: &str, error: &VaultError) -> Failure {
    tracing::error!(
        tenant_id = %tenant,
        execution_id = execution.map(tracing::field::display),
        code = error.code(),
        %error,
        "cannot open {what}"
    );
    Failure::new(
        error.code(),
        format!("{what} cannot be opened; the operator's log says why"),
    )
    .retryable(error.is_passing())
}
