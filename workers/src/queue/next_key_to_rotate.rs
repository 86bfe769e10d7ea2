use uuid::Uuid;
use vault::{KeyPlace, Sealed, WrappedKey};

use super::secrets::values;
use super::{KeyToWrap, Queue};

/// A tenant's data key and all that it has sealed, as it was read.
#[derive(Debug)]
pub struct KeyToRotate {
    pub key: KeyToWrap,
    pub values: Vec<ValueToRotate>,
}

/// A value that the key has sealed.
#[derive(Debug)]
pub struct ValueToRotate {
    /// See [`vault::Slot::from_row`].
    pub kind: String,
    pub name: String,
    pub sealed: Sealed,
}

impl Queue {
    /// The first, of the tenants after one, whose key is to be rotated.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn next_key_to_rotate(
        &self,
        after: Option<Uuid>,
    ) -> sqlx::Result<Option<KeyToRotate>> {
        let key = sqlx::query!(
            r#"select tenant_id as "tenant_id!", generation as "generation!", wrapped as "wrapped!", master_key_id as "master_key_id!",
                      kinds as "kinds!", names as "names!", nonces as "nonces!", ciphertexts as "ciphertexts!"
                 from queue.next_key_to_rotate($1)"#,
            after,
        )
        .fetch_optional(&self.pool)
        .await;
        let key = self.note("next_key_to_rotate", key)?;
        Ok(key.map(|row| KeyToRotate {
            key: KeyToWrap {
                place: KeyPlace {
                    tenant_id: row.tenant_id,
                    generation: row.generation,
                },
                wrapped: WrappedKey {
                    master_key_id: row.master_key_id,
                    bytes: row.wrapped,
                },
            },
            values: row
                .kinds
                .into_iter()
                .zip(values(row.names, row.nonces, row.ciphertexts))
                .map(|(kind, (name, sealed))| ValueToRotate { kind, name, sealed })
                .collect(),
        }))
    }
}
