use std::time::Duration;

use super::Queue;
use super::time::from_database;

impl Queue {
    /// How long until the next schedule may be claimed, by the database's clock; `None` when there is none at all.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn next_schedule_due(&self) -> sqlx::Result<Option<Duration>> {
        let row = sqlx::query!(
            r#"select queue.next_schedule_due() as next_due, clock_timestamp() as "database_time!""#
        )
        .fetch_one(&self.pool)
        .await;
        let row = self.note("next_schedule_due", row)?;
        self.clock.learn(from_database(row.database_time));
        Ok(row
            .next_due
            .map(|due| (due - row.database_time).to_std().unwrap_or(Duration::ZERO)))
    }
}
