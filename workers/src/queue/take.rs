use std::time::Duration;

use super::job::{Job, JobRow};
use super::{ExecutionKey, Queue, interval};

impl Queue {
    /// Takes jobs that were offered by their names, for `lease`. Those that somebody else has by now, or that a cap may hold back, are not
    /// among the answer.
    ///
    /// # Errors
    /// What the database answered; then nothing is taken, or only until the lease ends.
    pub async fn take(&self, offered: &[ExecutionKey], lease: Duration) -> sqlx::Result<Vec<Job>> {
        let tenants: Vec<_> = offered.iter().map(|key| key.tenant_id).collect();
        let executions: Vec<_> = offered.iter().map(|key| key.execution_id).collect();
        let mut session = self.note("take", self.takes.session().await)?;
        let rows = sqlx::query_as!(
            JobRow,
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", fencing_token as "fencing_token!",
                      claims_without_progress as "claims_without_progress!",
                      workflow_id as "workflow_id!", workflow_version as "workflow_version!",
                      input::text as "input!", depth as "depth!", started_at as "started_at!",
                      cancel_requested as "cancel_requested!", pause_requested as "pause_requested!",
                      steps::text as "steps", signals::text as "signals", false as "was_capped!",
                      clock_timestamp() as "database_time!"
                 from queue.take($1, $2, $3, $4)"#,
            &*self.worker,
            &tenants,
            &executions,
            interval(lease),
        )
        .fetch_all(session.connection())
        .await;
        let rows = self.note("take", rows)?;
        session.keep();
        Ok(rows.into_iter().map(JobRow::job).collect())
    }
}
