use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::time::from_database;
use super::{Queue, interval};

/// A claimed schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub key: ScheduleKey,
    pub cron: String,
    pub timezone: String,
    /// `skip`, `once` or `all`.
    pub missed: String,
    /// Times up to here have been dealt with.
    pub handled_until: Timestamp,
}

/// A claim on a schedule. Every call about it shows the fencing token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleKey {
    pub tenant_id: Uuid,
    pub workflow_id: Uuid,
    pub fencing_token: i64,
}

impl Queue {
    /// Takes up to `most` due schedules for `lease`.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim_schedules(
        &self,
        most: usize,
        lease: Duration,
    ) -> sqlx::Result<Vec<Schedule>> {
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", workflow_id as "workflow_id!", fencing_token as "fencing_token!", cron as "cron!",
                      timezone as "timezone!", missed as "missed!", handled_until as "handled_until!", clock_timestamp() as "database_time!"
                 from queue.claim_schedules($1, $2, $3)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("claim_schedules", rows)?;
        if let Some(row) = rows.last() {
            self.clock.learn(from_database(row.database_time));
        }
        let schedules = rows.into_iter().map(|row| Schedule {
            key: ScheduleKey {
                tenant_id: row.tenant_id,
                workflow_id: row.workflow_id,
                fencing_token: row.fencing_token,
            },
            cron: row.cron,
            timezone: row.timezone,
            missed: row.missed,
            handled_until: from_database(row.handled_until),
        });
        Ok(schedules.collect())
    }
}
