//! What is left when all is over: the database's rows, the notes of their changes, and what the world and the clients have seen.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use serde_json::Value;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::clients::Answers;
use crate::counter::{Calls, Micros};
use crate::kills::Outage;
use crate::workers::Killed;
use crate::workflows::Workflow;
use crate::world::{TENANTS, workflow_id};

#[derive(Debug, Clone)]
pub struct Execution {
    pub workflow: usize,
    pub status: String,
    pub error: Option<Value>,
    pub input: Value,
    pub steps: BTreeMap<String, Step>,
    /// In the order in which they were made.
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub status: String,
    pub attempt: i32,
    pub handle: Option<String>,
    pub output: Option<Value>,
    pub error: Option<Value>,
}

#[derive(Debug, Clone)]
pub struct Change {
    pub at: Micros,
    /// None: of the execution itself.
    pub node: Option<String>,
    pub was: Option<String>,
    pub status: String,
    pub attempt: i32,
    pub revision: i64,
    pub run_at: Option<Micros>,
    pub worker: Option<String>,
}

impl Change {
    /// The process id in `host:pid:number`.
    pub fn worker_pid(&self) -> Option<i32> {
        self.worker.as_deref()?.rsplit(':').nth(1)?.parse().ok()
    }
}

pub fn is_final(status: &str) -> bool {
    matches!(status, "succeeded" | "failed" | "skipped" | "cancelled")
}

/// One tenant's.
#[derive(Debug, Clone)]
pub struct Charge {
    pub charged: i64,
    pub executions: i64,
}

#[derive(Debug, Default)]
pub struct Facts {
    pub workflows: Vec<Workflow>,
    pub executions: HashMap<Uuid, Execution>,
    /// Rows of jobs, waits and events.
    pub left_in_queue: Vec<(&'static str, i64)>,
    pub charges: Vec<Charge>,
    pub calls: Calls,
    pub answers: Answers,
    pub killed: Vec<Killed>,
    pub outages: Vec<Outage>,
    pub ended_by_themselves: Vec<String>,
}

impl Facts {
    /// What the database says.
    pub async fn read(&mut self, session: &mut PgConnection) -> Result<()> {
        self.read_executions(session).await?;
        self.read_steps(session).await?;
        self.read_changes(session).await?;
        for (table, count) in [
            ("jobs", "select count(*) from queue.jobs"),
            ("waits", "select count(*) from queue.waits"),
            ("events", "select count(*) from queue.events"),
        ] {
            let count = sqlx::query_scalar(count).fetch_one(&mut *session).await?;
            self.left_in_queue.push((table, count));
        }
        for tenant in TENANTS {
            let row = sqlx::query(
                "select (select u.used from aias.quota_usage($1) u where u.meter = 'executions'),
                        (select count(*) from public.executions e where e.tenant_id = $1)",
            )
            .bind(tenant)
            .fetch_one(&mut *session)
            .await?;
            self.charges.push(Charge {
                charged: row.try_get(0)?,
                executions: row.try_get(1)?,
            });
        }
        Ok(())
    }

    async fn read_executions(&mut self, session: &mut PgConnection) -> Result<()> {
        let numbers: HashMap<Uuid, usize> = (0..self.workflows.len())
            .map(|number| (workflow_id(number), number))
            .collect();
        let rows =
            sqlx::query("select id, workflow_id, status, error, input from public.executions")
                .fetch_all(session)
                .await?;
        for row in rows {
            let workflow: Uuid = row.try_get(1)?;
            let execution = Execution {
                workflow: numbers[&workflow],
                status: row.try_get(2)?,
                error: row.try_get(3)?,
                input: row.try_get(4)?,
                steps: BTreeMap::new(),
                changes: Vec::new(),
            };
            self.executions.insert(row.try_get(0)?, execution);
        }
        Ok(())
    }

    async fn read_steps(&mut self, session: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query(
            "select execution_id, node_id, status, attempt, handle, output, error from public.execution_steps",
        )
        .fetch_all(session)
        .await?;
        for row in rows {
            let step = Step {
                status: row.try_get(2)?,
                attempt: row.try_get(3)?,
                handle: row.try_get(4)?,
                output: row.try_get(5)?,
                error: row.try_get(6)?,
            };
            if let Some(execution) = self.executions.get_mut(&row.try_get(0)?) {
                execution.steps.insert(row.try_get(1)?, step);
            }
        }
        Ok(())
    }

    async fn read_changes(&mut self, session: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query(
            "select execution_id, node_id, was, status, coalesce(attempt, 0), revision, worker,
                    (extract(epoch from at) * 1000000)::bigint, (extract(epoch from run_at) * 1000000)::bigint
               from crash.changes order by seq",
        )
        .fetch_all(session)
        .await?;
        for row in rows {
            let change = Change {
                node: row.try_get(1)?,
                was: row.try_get(2)?,
                status: row.try_get(3)?,
                attempt: row.try_get(4)?,
                revision: row.try_get(5)?,
                worker: row.try_get(6)?,
                at: row.try_get(7)?,
                run_at: row.try_get(8)?,
            };
            if let Some(execution) = self.executions.get_mut(&row.try_get(0)?) {
                execution.changes.push(change);
            }
        }
        Ok(())
    }

    pub fn calls_of(&self, execution: Uuid, node: &str) -> &[crate::counter::Call] {
        let calls = self.calls.get(&(execution, node.to_owned()));
        calls.map(Vec::as_slice).unwrap_or_default()
    }
}
