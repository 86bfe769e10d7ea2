use uuid::Uuid;

use super::Queue;

impl Queue {
    /// Erases up to about `batch` rows of one tenant whose time has come; answers which, or `None` when none is due.
    ///
    /// # Errors
    /// What the database answered; then nothing of that batch is erased.
    pub async fn erase_next_tenant(&self, batch: u32) -> sqlx::Result<Option<Uuid>> {
        let tenant = sqlx::query_scalar!(
            "select queue.erase_next_tenant($1)",
            i32::try_from(batch).unwrap_or(i32::MAX),
        )
        .fetch_one(&self.pool)
        .await;
        self.note("erase_next_tenant", tenant)
    }
}
