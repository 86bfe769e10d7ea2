//! Seals what a tenant gives to be kept, under its data key.
//!
//! The key is read in a transaction, opened without one, since that may mean to ask somebody far away, and what it sealed is kept in another. The
//! database takes it only if the key is still the same; otherwise all of it is done again.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use vault::{DataKey, KeyPlace, Slot, Vault, VaultError, WrappedKey, last_four};

use crate::error::ApiError;

/// How often a value is sealed anew because the tenant's key has changed meanwhile: the first key is made once, and a rotation is rare.
pub(crate) const MOST_TRIES: usize = 5;

/// The key to seal with; and how it is kept, when it is the tenant's first.
pub(crate) struct Sealing {
    key: DataKey,
    new: Option<WrappedKey>,
}

/// As the functions of schema `edge` take it.
pub(crate) struct SealedValue<'a> {
    pub nonce: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub last_four: Option<String>,
    pub generation: i32,
    pub new_key: Option<&'a [u8]>,
    pub new_key_master: Option<&'a str>,
}

impl Sealing {
    pub async fn of(
        vault: &Vault,
        tenant_id: Uuid,
        known: Option<(KeyPlace, WrappedKey)>,
    ) -> Result<Self, ApiError> {
        match known {
            Some((place, wrapped)) => Ok(Self {
                key: vault.open_key(place, &wrapped).await?,
                new: None,
            }),
            None => {
                let (key, wrapped) = vault.make_key(tenant_id, 1).await?;
                Ok(Self {
                    key,
                    new: Some(wrapped),
                })
            }
        }
    }

    pub fn seal(&self, slot: Slot<'_>, value: &SecretString) -> Result<SealedValue<'_>, ApiError> {
        let sealed = self.key.seal(slot, value)?;
        let new = self.new.as_ref();
        Ok(SealedValue {
            nonce: sealed.nonce,
            ciphertext: sealed.ciphertext,
            last_four: last_four(value.expose_secret()),
            generation: self.key.place().generation,
            new_key: new.map(|new| new.bytes.as_slice()),
            new_key_master: new.map(|new| new.master_key_id.as_str()),
        })
    }
}

/// A tenant's data key as the database has it.
pub(crate) fn kept_key(
    tenant_id: Uuid,
    generation: i32,
    bytes: Vec<u8>,
    master_key_id: String,
) -> (KeyPlace, WrappedKey) {
    let place = KeyPlace {
        tenant_id,
        generation,
    };
    let wrapped = WrappedKey {
        master_key_id,
        bytes,
    };
    (place, wrapped)
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        if error.is_passing() {
            tracing::warn!(code = error.code(), "a secret could not be sealed");
            return Self::Unavailable("secrets cannot be sealed at the moment");
        }
        Self::Internal(anyhow::Error::from(error).context("sealing a secret"))
    }
}
