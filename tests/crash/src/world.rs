//! Two tenants, the workflows, and a note of every change of a step or an execution.

use anyhow::Result;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection};
use tests::actor::Actor;
use tests::jwt::Claims;
use uuid::{Uuid, uuid};

use crate::postgres::Postgres;
use crate::workflows::Workflow;

/// The second may run few executions at a time.
pub const TENANTS: [Uuid; 2] = [
    uuid!("01960000-0000-7000-8000-000000000001"),
    uuid!("01960000-0000-7000-8000-000000000002"),
];
const OWNERS: [Uuid; 2] = [
    uuid!("01960000-0000-7000-9000-000000000001"),
    uuid!("01960000-0000-7000-9000-000000000002"),
];

/// Whose a workflow is: every third one the second tenant's.
pub fn tenant_of(workflow: usize) -> usize {
    usize::from(workflow % 3 == 2)
}

pub fn workflow_id(workflow: usize) -> Uuid {
    const FIRST: Uuid = uuid!("01960000-0000-7000-a000-000000000000");
    Uuid::from_u128(FIRST.as_u128() + workflow as u128)
}

/// Who starts and cancels the executions of a workflow.
pub fn owner_of(workflow: usize) -> Actor {
    let tenant = tenant_of(workflow);
    Actor::Authenticated(Claims::of(
        OWNERS[tenant],
        &format!("owner{tenant}@crash.test"),
    ))
}

pub async fn make(postgres: &Postgres, workflows: &[Workflow], server: &str) -> Result<()> {
    let mut session = postgres.session().await?;
    let script = include_str!("world.sql");
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut session)
        .await?;
    for (number, workflow) in workflows.iter().enumerate() {
        let (nodes, connections): (Value, Value) =
            (workflow.nodes_json(server), workflow.connections_json());
        // Some may run only a few at a time.
        let most = (number % 5 == 4).then_some(25);
        sqlx::query(
            "insert into public.workflows (tenant_id, id, name, status, nodes, connections, max_concurrency) values ($1, $2, $3, 'active', $4, $5, $6)",
        )
        .bind(TENANTS[tenant_of(number)])
        .bind(workflow_id(number))
        .bind(format!("Workflow {number}"))
        .bind(nodes)
        .bind(connections)
        .bind(most)
        .execute(&mut session)
        .await?;
    }
    session.close().await?;
    Ok(())
}
