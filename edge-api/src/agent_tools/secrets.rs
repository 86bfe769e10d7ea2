use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agents::ToolError;
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::{Secrets, secrets_not_found};
use secrecy::SecretString;
use vault::{Sealed, Slot, VaultError};

use super::{Asking, told};
use crate::error::ApiError;
use crate::sealing::kept_key;

/// Of the tenant whose agent is asked: those that its tools and servers name. Nothing is kept for the next call.
pub(super) struct AgentSecrets(pub Arc<Asking>);

impl AgentSecrets {
    async fn opened(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, SecretString>, ApiError> {
        let asking = &self.0;
        let vault = asking.vault.as_ref();
        let vault = vault.ok_or(ApiError::SecretsNotConfigured)?;
        let wanted: Vec<String> = names.iter().cloned().collect();
        let mut transaction = asking.session.begin_as_service().await?;
        let row = sqlx::query!(
            r#"select generation, wrapped, master_key_id, names as "names!", nonces as "nonces!", ciphertexts as "ciphertexts!"
                 from edge.agent_secrets($1, $2, $3)"#,
            asking.tenant_id,
            asking.agent_id,
            &wanted,
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let missing: Vec<&str> = wanted
            .iter()
            .filter(|name| !row.names.contains(name))
            .map(String::as_str)
            .collect();
        let (Some(generation), Some(wrapped), Some(master_key_id), true) = (
            row.generation,
            row.wrapped,
            row.master_key_id,
            missing.is_empty(),
        ) else {
            return Err(secrets_not_found(&missing).into());
        };
        let (place, wrapped) = kept_key(asking.tenant_id, generation, wrapped, master_key_id);
        let key = vault.open_key(place, &wrapped).await.map_err(unreadable)?;
        let sealed = row.nonces.into_iter().zip(row.ciphertexts);
        let opened = row.names.into_iter().zip(sealed);
        opened
            .map(|(name, (nonce, ciphertext))| {
                let sealed = Sealed { nonce, ciphertext };
                let value = key.open(Slot::Secret(&name), &sealed).map_err(unreadable)?;
                Ok((name, value))
            })
            .collect()
    }
}

impl Secrets for AgentSecrets {
    type Error = ApiError;

    fn open<'a>(
        &'a self,
        names: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretString>, ApiError>> {
        self.opened(names).boxed()
    }

    fn told(error: ApiError) -> ToolError {
        match error {
            ApiError::Outbound(failure) => {
                outbound::told(failure.message, failure.details.as_ref())
            }
            other => told(other),
        }
    }
}

fn unreadable(error: VaultError) -> ApiError {
    if error.is_passing() {
        tracing::warn!(code = error.code(), "secrets of an agent cannot be opened");
        return ApiError::Unavailable("the secrets of this agent cannot be opened at the moment");
    }
    ApiError::Internal(anyhow::Error::from(error).context("opening secrets of an agent"))
}
