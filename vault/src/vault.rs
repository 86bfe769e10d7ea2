//! Data keys, made and opened by whoever holds the master keys.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::cipher;
use crate::data_key::DataKey;
use crate::error::VaultError;
use crate::master::MasterKeys;
use crate::place::KeyPlace;

/// A data key as it is kept: of no use without the master key that it names.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    pub master_key_id: String,
    pub bytes: Vec<u8>,
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// 12 bytes.
    pub nonce: Vec<u8>,
    /// With its tag.
    pub ciphertext: Vec<u8>,
}

/// The door to data keys. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<dyn MasterKeys>);

impl Vault {
    pub fn new(master: impl MasterKeys + 'static) -> Self {
        Self(Arc::new(master))
    }

    /// The id of the master key that wraps from now on.
    pub fn newest_master_key(&self) -> &str {
        self.0.newest()
    }

    /// A new data key, and how it is kept.
    ///
    /// # Errors
    /// `encryption_failed`, `master_key_unavailable`.
    pub async fn make_key(
        &self,
        tenant_id: Uuid,
        generation: i32,
    ) -> Result<(DataKey, WrappedKey), VaultError> {
        let place = KeyPlace {
            tenant_id,
            generation,
        };
        let bytes = cipher::random_key().map_err(|_| VaultError::EncryptionFailed)?;
        let wrapped = self.0.wrap(place, &bytes).await?;
        Ok((DataKey::new(place, bytes), wrapped))
    }

    /// # Errors
    /// `master_key_unknown`, `master_key_unavailable`, `data_key_unreadable`.
    pub async fn open_key(
        &self,
        place: KeyPlace,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, VaultError> {
        let bytes = self.0.unwrap(place, wrapped).await?;
        Ok(DataKey::new(place, bytes))
    }

    /// The same data key, wrapped by the newest master key. What it has sealed stays as it is.
    ///
    /// # Errors
    /// As [`Vault::open_key`].
    pub async fn rewrap(
        &self,
        place: KeyPlace,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, VaultError> {
        let key = self.open_key(place, wrapped).await?;
        self.0.wrap(place, key.bytes()).await
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.0.newest()).finish()
    }
}

/// Sealed, but still nobody's to read in a log.
impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("master_key_id", &self.master_key_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").finish_non_exhaustive()
    }
}
