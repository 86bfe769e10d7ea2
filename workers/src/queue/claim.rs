use std::time::Duration;

use super::job::{Job, JobRow};
use super::time::from_database;
use super::{Queue, interval};
use crate::held::Load;
use crate::slice::pause;

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claimed {
    pub jobs: Vec<Job>,
    /// Whether it left something that is ready and held back by a cap. Where it brought nothing it cannot say.
    pub was_capped: Option<bool>,
}

impl Queue {
    /// Takes up to `most` ready jobs for `lease`, but leaves `kept` places to tenants of whom this worker holds only a few. `load` is what
    /// it holds already.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim(
        &self,
        most: usize,
        kept: usize,
        lease: Duration,
        load: &Load,
    ) -> sqlx::Result<Claimed> {
        let mut session = self.note("claim", self.claims.session().await)?;
        let rows = sqlx::query_as!(
            JobRow,
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", fencing_token as "fencing_token!",
                      claims_without_progress as "claims_without_progress!",
                      workflow_id as "workflow_id!", workflow_version as "workflow_version!",
                      input::text as "input!", depth as "depth!", started_at as "started_at!",
                      cancel_requested as "cancel_requested!", pause_requested as "pause_requested!",
                      steps::text as "steps", signals::text as "signals", was_capped as "was_capped!",
                      clock_timestamp() as "database_time!"
                 from queue.claim($1, $2, $3, $4, $5, $6, $7)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
            &load.tenants,
            &load.workflows,
            &load.counts,
            i32::try_from(kept).unwrap_or(i32::MAX),
        )
        .fetch_all(session.connection())
        .await;
        let rows = self.note("claim", rows)?;
        session.keep();
        if let Some(row) = rows.last() {
            self.clock.learn(from_database(row.database_time));
        }
        let was_capped = rows.last().map(|row| row.was_capped);
        Ok(Claimed {
            jobs: rows
                .into_iter()
                .inspect(|_| pause())
                .map(JobRow::job)
                .collect(),
            was_capped,
        })
    }

    /// Whether the last claim left something that is ready and held back by a cap.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn was_capped(&self) -> sqlx::Result<bool> {
        let answer = sqlx::query_scalar!(
            r#"select queue.was_capped($1) as "was_capped!""#,
            &*self.worker
        )
        .fetch_one(&self.pool)
        .await;
        self.note("was_capped", answer)
    }
}
