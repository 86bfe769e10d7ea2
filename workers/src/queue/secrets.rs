use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use vault::{KeyPlace, Sealed, WrappedKey};

use super::{Claim, Queue};

/// What is needed to open values of one kind, sealed as it is kept.
#[derive(Debug)]
pub struct SealedSecrets {
    /// `None` when the tenant has nothing sealed at all.
    pub key: Option<(KeyPlace, WrappedKey)>,
    /// Those that there are, by name.
    pub values: BTreeMap<String, Sealed>,
}

impl Queue {
    /// Secrets of the execution's tenant. `None` when the claim is no longer good.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn secrets(
        &self,
        claim: Claim,
        names: &BTreeSet<String>,
    ) -> sqlx::Result<Option<SealedSecrets>> {
        let wanted: Vec<String> = names.iter().cloned().collect();
        let found = sqlx::query!(
            r#"select generation, wrapped, master_key_id, names as "names!", nonces as "nonces!", ciphertexts as "ciphertexts!"
                 from queue.secrets($1, $2, $3, $4)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            &wanted,
        )
        .fetch_optional(&self.pool)
        .await;
        let found = self.note("secrets", found)?;
        Ok(found.map(|row| SealedSecrets {
            key: wrapped(
                claim.key.tenant_id,
                row.generation,
                row.wrapped,
                row.master_key_id,
            ),
            values: values(row.names, row.nonces, row.ciphertexts).collect(),
        }))
    }
}

/// The data key of a tenant, where it has one.
pub(super) fn wrapped(
    tenant_id: Uuid,
    generation: Option<i32>,
    bytes: Option<Vec<u8>>,
    master_key_id: Option<String>,
) -> Option<(KeyPlace, WrappedKey)> {
    let place = KeyPlace {
        tenant_id,
        generation: generation?,
    };
    let wrapped = WrappedKey {
        master_key_id: master_key_id?,
        bytes: bytes?,
    };
    Some((place, wrapped))
}

/// Arrays of one length, side by side.
pub(super) fn values(
    names: Vec<String>,
    nonces: Vec<Vec<u8>>,
    ciphertexts: Vec<Vec<u8>>,
) -> impl Iterator<Item = (String, Sealed)> {
    let sealed = nonces
        .into_iter()
        .zip(ciphertexts)
        .map(|(nonce, ciphertext)| Sealed { nonce, ciphertext });
    names.into_iter().zip(sealed)
}
