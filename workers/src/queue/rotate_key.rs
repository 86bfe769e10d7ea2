use vault::{Sealed, WrappedKey};

use super::{KeyToRotate, Queue};

impl Queue {
    /// Replaces a tenant's data key, and everything that it has sealed, at once. Whether all of it was still as it was read; nothing is
    /// changed otherwise. `resealed` is in the order of what was read.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn rotate_key(
        &self,
        read: &KeyToRotate,
        wrapped: &WrappedKey,
        resealed: &[Sealed],
    ) -> sqlx::Result<bool> {
        let kinds: Vec<String> = read.values.iter().map(|value| value.kind.clone()).collect();
        let names: Vec<String> = read.values.iter().map(|value| value.name.clone()).collect();
        let bytes = |of: fn(&Sealed) -> &Vec<u8>| move |sealed: &Sealed| of(sealed).clone();
        let nonce = bytes(|sealed| &sealed.nonce);
        let before: Vec<Vec<u8>> = read
            .values
            .iter()
            .map(|value| nonce(&value.sealed))
            .collect();
        let nonces: Vec<Vec<u8>> = resealed.iter().map(&nonce).collect();
        let ciphertexts: Vec<Vec<u8>> = resealed
            .iter()
            .map(bytes(|sealed| &sealed.ciphertext))
            .collect();
        let done = sqlx::query_scalar!(
            r#"select queue.rotate_key($1, $2, $3, $4, $5, $6, $7, $8, $9) as "done!""#,
            read.key.place.tenant_id,
            read.key.place.generation,
            wrapped.bytes,
            wrapped.master_key_id,
            &kinds,
            &names,
            &before,
            &nonces,
            &ciphertexts,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("rotate_key", done)
    }
}
