use super::Queue;

impl Queue {
    /// Gives back what lapsed and removes what does not matter any more, a bounded part of it.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn sweep(&self) -> sqlx::Result<()> {
        let swept = sqlx::query!("select queue.sweep()")
            .execute(&self.pool)
            .await;
        self.note("sweep", swept).map(drop)
    }
}
