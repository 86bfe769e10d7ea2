use jiff::Timestamp;

use super::time::to_database;
use super::{Queue, ScheduleKey};

/// What is to become of a claimed schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScheduleTurn {
    /// The times that start an execution each.
    pub instants: Vec<Timestamp>,
    /// Up to here everything is dealt with then.
    pub handled_until: Timestamp,
    /// When it is due again; `None`: never.
    pub next: Option<Timestamp>,
    /// What was left out, for the people of the tenant.
    pub note: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleAnswer {
    /// `false` when the lease was lost: nothing is written then.
    pub accepted: bool,
    pub started: i32,
    /// Why not all were started.
    pub refused: Option<String>,
}

impl Queue {
    /// Starts what is due and moves the schedule on, in one transaction.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn run_schedule(
        &self,
        schedule: ScheduleKey,
        turn: &ScheduleTurn,
    ) -> sqlx::Result<ScheduleAnswer> {
        let instants: Vec<_> = turn.instants.iter().copied().map(to_database).collect();
        let answer = sqlx::query_as!(
            ScheduleAnswer,
            r#"select accepted as "accepted!", started as "started!", refused
                 from queue.run_schedule($1, $2, $3, $4, $5, $6, $7, $8)"#,
            &*self.worker,
            schedule.tenant_id,
            schedule.workflow_id,
            schedule.fencing_token,
            &instants,
            to_database(turn.handled_until),
            turn.next.map(to_database),
            turn.note,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("run_schedule", answer)
    }
}
