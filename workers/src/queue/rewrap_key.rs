use vault::WrappedKey;

use super::{KeyToWrap, Queue};

impl Queue {
    /// Keeps a data key as another master key has wrapped it. Whether it was still as it was read; nothing is changed otherwise.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn rewrap_key(&self, read: &KeyToWrap, rewrapped: &WrappedKey) -> sqlx::Result<bool> {
        let done = sqlx::query_scalar!(
            r#"select queue.rewrap_key($1, $2, $3, $4, $5) as "done!""#,
            read.place.tenant_id,
            read.place.generation,
            read.wrapped.bytes,
            rewrapped.bytes,
            rewrapped.master_key_id,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("rewrap_key", done)
    }
}
