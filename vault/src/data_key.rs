//! A tenant's data key, open.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

use crate::cipher::{self, KeyBytes};
use crate::error::VaultError;
use crate::place::{KeyPlace, Slot, SlotPlace};
use crate::vault::Sealed;

/// Seals and opens the values of one tenant. Wiped when it is let go of.
pub struct DataKey {
    place: KeyPlace,
    bytes: KeyBytes,
}

impl DataKey {
    pub(crate) fn new(place: KeyPlace, bytes: KeyBytes) -> Self {
        Self { place, bytes }
    }

    pub fn place(&self) -> KeyPlace {
        self.place
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// # Errors
    /// `encryption_failed`.
    pub fn seal(&self, slot: Slot<'_>, value: &SecretString) -> Result<Sealed, VaultError> {
        let place = self.within(slot).bytes();
        cipher::close(&self.bytes, &place, value.expose_secret().as_bytes())
            .map(|closed| Sealed {
                nonce: closed.nonce.to_vec(),
                ciphertext: closed.ciphertext,
            })
            .map_err(|_| VaultError::EncryptionFailed)
    }

    /// # Errors
    /// `secret_unreadable`: it was not sealed by this key for this slot, or was changed since.
    pub fn open(&self, slot: Slot<'_>, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let place = self.within(slot).bytes();
        let mut plain = cipher::open(&self.bytes, &place, &sealed.nonce, &sealed.ciphertext)
            .map_err(|_| VaultError::SecretUnreadable)?;
        match String::from_utf8(std::mem::take(&mut *plain)) {
            Ok(text) => Ok(text.into()),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(VaultError::SecretUnreadable)
            }
        }
    }

    fn within<'a>(&self, slot: Slot<'a>) -> SlotPlace<'a> {
        SlotPlace {
            tenant_id: self.place.tenant_id,
            slot,
        }
    }
}

/// Whose, and nothing of what.
impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
