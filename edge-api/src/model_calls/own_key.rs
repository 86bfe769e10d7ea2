//! A tenant's own key to a provider, as the database keeps it.

use llm::Providers;
use vault::{KeyPlace, Sealed, Slot, Vault, VaultError, WrappedKey};

use crate::error::ApiError;

pub(super) struct OwnKey {
    pub place: KeyPlace,
    pub wrapped: WrappedKey,
    pub sealed: Sealed,
}

impl OwnKey {
    /// The same providers, this one called with the key where the operator calls it. Where it does not open, the operator's key is no substitute:
    /// who pays is the tenant's to say.
    pub async fn put_into(
        &self,
        providers: &Providers,
        provider: &str,
        vault: Option<&Vault>,
    ) -> Result<Providers, ApiError> {
        let vault = vault.ok_or(ApiError::SecretsNotConfigured)?;
        let key = vault.open_key(self.place, &self.wrapped).await;
        let key = key.map_err(unreadable)?;
        let opened = key
            .open(Slot::ProviderKey(provider), &self.sealed)
            .map_err(unreadable)?;
        let providers = providers.with_key(provider, opened, None);
        providers.map_err(|error| ApiError::Model {
            error: Box::new(error),
            with_own_key: true,
        })
    }
}

fn unreadable(error: VaultError) -> ApiError {
    if error.is_passing() {
        tracing::warn!(code = error.code(), "a tenant's own key cannot be opened");
        return ApiError::Unavailable("the tenant's own key cannot be opened at the moment");
    }
    ApiError::Internal(anyhow::Error::from(error).context("opening a tenant's own key"))
}
