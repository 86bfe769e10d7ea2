//! Master keys: what the operator holds, and what wraps the data keys of all tenants.

mod environment;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cipher::{self, KeyBytes};
use crate::error::VaultError;
use crate::place::KeyPlace;
use crate::vault::WrappedKey;

/// Whoever holds the master keys: this process, or a service that is asked (a KMS). It is given data keys to wrap and unwrap and never
/// gives a master key away.
pub trait MasterKeys: Send + Sync {
    /// The id of the key that wraps from now on. What is wrapped by another one is to be wrapped anew.
    fn newest(&self) -> &str;

    /// Wraps a data key by the newest master key.
    fn wrap<'a>(
        &'a self,
        place: KeyPlace,
        data_key: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<WrappedKey, VaultError>>;

    /// Unwraps by the master key that the wrapped key names.
    fn unwrap<'a>(
        &'a self,
        place: KeyPlace,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; 32]>, VaultError>>;
}

/// Master keys in this process's memory. The first wraps, all unwrap.
pub struct KeyRing(Vec<MasterKey>);

struct MasterKey {
    id: String,
    bytes: KeyBytes,
}

const NONCE: usize = 12;

impl KeyRing {
    /// Reads keys as the variables have them: base64 of 32 bytes each, the newest first, between white space or commas. A line's rest after `#` is a
    /// note. `None` when there is no key in it; otherwise an error that says which entry is wrong, and not what it is.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut keys: Vec<MasterKey> = Vec::new();
        let entries = text
            .lines()
            .map(|line| line.split_once('#').map_or(line, |(keys, _note)| keys))
            .flat_map(|line| line.split([',', ' ', '\t', '\r']))
            .filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let number = index + 1;
            let decoded = Zeroizing::new(
                STANDARD
                    .decode(entry)
                    .map_err(|_| format!("key {number} is not base64"))?,
            );
            let mut bytes = KeyBytes::default();
            if decoded.len() != bytes.len() {
                return Err(format!(
                    "key {number} has {} bytes; a master key has 32 (openssl rand -base64 32)",
                    decoded.len()
                ));
            }
            bytes.copy_from_slice(&decoded);
            let id = id_of(&bytes);
            if keys.iter().any(|known| known.id == id) {
                return Err(format!("key {number} is there twice"));
            }
            keys.push(MasterKey { id, bytes });
        }
        Ok((!keys.is_empty()).then_some(Self(keys)))
    }

    /// One key, for tests and for who has it from elsewhere.
    pub fn of(bytes: [u8; 32]) -> Self {
        let bytes = KeyBytes::new(bytes);
        Self(vec![MasterKey {
            id: id_of(&bytes),
            bytes,
        }])
    }

    /// The same keys, with a newer one before them.
    #[must_use]
    pub fn with_newest(mut self, bytes: [u8; 32]) -> Self {
        let mut newest = Self::of(bytes).0;
        newest.append(&mut self.0);
        Self(newest)
    }

    fn wrap_now(&self, place: KeyPlace, data_key: &[u8; 32]) -> Result<WrappedKey, VaultError> {
        let master = self.0.first().ok_or(VaultError::EncryptionFailed)?;
        let closed = cipher::close(&master.bytes, &place.bytes(&master.id), data_key)
            .map_err(|_| VaultError::EncryptionFailed)?;
        let mut bytes = closed.nonce.to_vec();
        bytes.extend_from_slice(&closed.ciphertext);
        Ok(WrappedKey {
            master_key_id: master.id.clone(),
            bytes,
        })
    }

    fn unwrap_now(
        &self,
        place: KeyPlace,
        wrapped: &WrappedKey,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let master = self
            .0
            .iter()
            .find(|key| key.id == wrapped.master_key_id)
            .ok_or_else(|| VaultError::MasterKeyUnknown(wrapped.master_key_id.clone()))?;
        let (nonce, ciphertext) = wrapped
            .bytes
            .split_at_checked(NONCE)
            .ok_or(VaultError::DataKeyUnreadable)?;
        let plain = cipher::open(&master.bytes, &place.bytes(&master.id), nonce, ciphertext)
            .map_err(|_| VaultError::DataKeyUnreadable)?;
        let mut data_key = Zeroizing::new([0; 32]);
        if plain.len() != data_key.len() {
            return Err(VaultError::DataKeyUnreadable);
        }
        data_key.copy_from_slice(&plain);
        Ok(data_key)
    }
}

impl MasterKeys for KeyRing {
    fn newest(&self) -> &str {
        self.0.first().map_or("", |key| &key.id)
    }

    fn wrap<'a>(
        &'a self,
        place: KeyPlace,
        data_key: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<WrappedKey, VaultError>> {
        Box::pin(async move { self.wrap_now(place, data_key) })
    }

    fn unwrap<'a>(
        &'a self,
        place: KeyPlace,
        wrapped: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; 32]>, VaultError>> {
        Box::pin(async move { self.unwrap_now(place, wrapped) })
    }
}

/// Ids only.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing")
            .field(&self.0.iter().map(|key| &key.id).collect::<Vec<_>>())
            .finish()
    }
}

/// Made from the key, so that the same key has the same name everywhere and nobody has to keep a list. A hash of 256 random bits tells
/// nothing about them.
fn id_of(bytes: &KeyBytes) -> String {
    let mut hash = Sha256::new();
    hash.update(b"aias master key 1\0");
    hash.update(bytes.as_slice());
    hash.finalize()[..8]
        .iter()
        .fold("mk_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}
