//! A tenant's own keys to providers, as the database keeps them.

use std::sync::Arc;

use llm::Providers;
use uuid::Uuid;
use vault::{Sealed, Slot, Vault, VaultError};

use crate::error::ApiError;
use crate::sealing::kept_key;

/// Of those providers that may be called. The first three are there when there is one.
pub(super) struct SealedKeys {
    pub generation: Option<i32>,
    pub wrapped: Option<Vec<u8>>,
    pub master_key_id: Option<String>,
    /// And of each the nonce and the sealed key.
    pub providers: Vec<String>,
    pub nonces: Vec<Vec<u8>>,
    pub ciphertexts: Vec<Vec<u8>>,
}

impl SealedKeys {
    /// The same providers, those that the tenant has keys to called with them; and which these are. Where one does not open, the operator's key is no
    /// substitute: who pays is the tenant's to say.
    pub async fn put_into(
        self,
        providers: &Providers,
        tenant_id: Uuid,
        vault: Option<&Vault>,
    ) -> Result<(Providers, Arc<[String]>), ApiError> {
        let mut providers = providers.clone();
        let (Some(generation), Some(wrapped), Some(master_key_id)) =
            (self.generation, self.wrapped, self.master_key_id)
        else {
            return Ok((providers, Arc::from([])));
        };
        let vault = vault.ok_or(ApiError::SecretsNotConfigured)?;
        let (place, wrapped) = kept_key(tenant_id, generation, wrapped, master_key_id);
        let key = vault.open_key(place, &wrapped).await;
        let key = key.map_err(unreadable)?;
        let sealed = self.nonces.into_iter().zip(self.ciphertexts);
        for (name, (nonce, ciphertext)) in self.providers.iter().zip(sealed) {
            let sealed = Sealed { nonce, ciphertext };
            let opened = key
                .open(Slot::ProviderKey(name), &sealed)
                .map_err(unreadable)?;
            providers =
                providers
                    .with_key(name, opened, None)
                    .map_err(|error| ApiError::Model {
                        error: Box::new(error),
                        with_own_key: true,
                    })?;
        }
        Ok((providers, self.providers.into()))
    }
}

fn unreadable(error: VaultError) -> ApiError {
    if error.is_passing() {
        tracing::warn!(code = error.code(), "a tenant's own key cannot be opened");
        return ApiError::Unavailable("the tenant's own key cannot be opened at the moment");
    }
    ApiError::Internal(anyhow::Error::from(error).context("opening a tenant's own key"))
}
