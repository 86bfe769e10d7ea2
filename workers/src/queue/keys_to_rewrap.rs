use uuid::Uuid;
use vault::{KeyPlace, WrappedKey};

use super::Queue;

/// A tenant's data key, as it was read.
#[derive(Debug)]
pub struct KeyToWrap {
    pub place: KeyPlace,
    pub wrapped: WrappedKey,
}

impl Queue {
    /// Up to `most` keys that another master key than the newest wraps, of the tenants after one.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn keys_to_rewrap(
        &self,
        newest_master: &str,
        after: Option<Uuid>,
        most: usize,
    ) -> sqlx::Result<Vec<KeyToWrap>> {
        let keys = sqlx::query!(
            r#"select tenant_id as "tenant_id!", generation as "generation!", wrapped as "wrapped!", master_key_id as "master_key_id!"
                 from queue.keys_to_rewrap($1, $2, $3)"#,
            newest_master,
            after,
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_all(&self.pool)
        .await;
        let keys = self.note("keys_to_rewrap", keys)?;
        let read = keys.into_iter().map(|row| KeyToWrap {
            place: KeyPlace {
                tenant_id: row.tenant_id,
                generation: row.generation,
            },
            wrapped: WrappedKey {
                master_key_id: row.master_key_id,
                bytes: row.wrapped,
            },
        });
        Ok(read.collect())
    }
}
