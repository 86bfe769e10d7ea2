//! A database with tenants that have nothing but jobs, and workers that do nothing but claim.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgListener};
use sqlx::{PgPool, Row};
use uuid::Uuid;

pub struct Stage {
    pub pool: PgPool,
}

/// What a claim brought, by the names of tenant and workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub tenant: u32,
    pub workflow: u32,
    pub execution: Uuid,
    pub token: i64,
}

pub fn tenant(number: u32) -> Uuid {
    Uuid::from_u128(0x0194_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub fn workflow(number: u32) -> Uuid {
    Uuid::from_u128(0x0194_0000_0000_7000_a000_0000_0000_0000 | u128::from(number))
}

impl Stage {
    /// Tenants 1 to `tenants`, without caps and with equal weights, each with workflows 1 and 2.
    pub async fn with_tenants(pool: PgPool, tenants: u32) -> Self {
        tests::policies::apply(&pool).await.unwrap();
        let stage = Self { pool };
        for number in 1..=tenants {
            sqlx::query(
                "with made as (
                   insert into public.tenants (id, name, subdomain, plan_id, limit_overrides)
                   select $1, 'Tenant', 'tenant-' || $2, id, '{\"concurrent_executions\": null}' from public.subscription_plans where key = 'enterprise'
                   returning id
                 )
                 insert into public.workflows (tenant_id, id, name, status, nodes, connections)
                 select m.id, w, 'Workflow', 'active',
                        '[{\"id\": \"start\", \"type\": \"trigger\", \"position\": {\"x\": 0, \"y\": 0}, \"config\": {\"kind\": \"manual\"}}]', '[]'
                   from made m, unnest($3::uuid[]) w",
            )
            .bind(tenant(number))
            .bind(i32::try_from(number).unwrap())
            .bind([workflow(1), workflow(2)].as_slice())
            .execute(&stage.pool)
            .await
            .unwrap();
        }
        stage
    }

    pub async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    /// So many jobs, one after the other.
    pub async fn enqueue(&self, of: u32, in_workflow: u32, priority: i32, jobs: u32) {
        let mut session = self.pool.acquire().await.unwrap();
        enqueue_in(&mut session, of, in_workflow, priority, jobs).await;
    }

    /// A claim of a worker that holds so many executions of workflows already: (tenant, workflow, number).
    pub async fn claim(&self, worker: &str, most: i32, held: &[(u32, u32, i32)]) -> Vec<Claimed> {
        self.claim_keeping(worker, most, 0, held).await
    }

    /// A claim that keeps places for tenants of whom the worker holds only a few.
    pub async fn claim_keeping(
        &self,
        worker: &str,
        most: i32,
        kept: i32,
        held: &[(u32, u32, i32)],
    ) -> Vec<Claimed> {
        let rows = sqlx::query("select tenant_id, workflow_id, execution_id, fencing_token from queue.claim($1, $2, '30 s', $3, $4, $5, $6)")
            .bind(worker)
            .bind(most)
            .bind(held.iter().map(|held| tenant(held.0)).collect::<Vec<_>>())
            .bind(held.iter().map(|held| workflow(held.1)).collect::<Vec<_>>())
            .bind(held.iter().map(|held| held.2).collect::<Vec<_>>())
            .bind(kept)
            .fetch_all(&self.pool)
            .await
            .unwrap();
        let number = |id: Uuid| (id.as_u128() & 0xffff) as u32;
        let claimed = rows.iter().map(|row| Claimed {
            tenant: number(row.get(0)),
            workflow: number(row.get(1)),
            execution: row.get(2),
            token: row.get(3),
        });
        claimed.collect()
    }

    /// How many of each tenant a claim of a worker that holds nothing brought.
    pub async fn claim_by_tenant(&self, most: i32) -> BTreeMap<u32, usize> {
        by_tenant(&self.claim("w", most, &[]).await)
    }

    /// Ends executions that a worker holds.
    pub async fn finish(&self, worker: &str, claimed: &[Claimed]) {
        for one in claimed {
            let result = serde_json::json!({
                "tenant_id": tenant(one.tenant), "execution_id": one.execution, "fencing_token": one.token, "status": "succeeded", "output": {},
            });
            assert!(
                tests::queue::record(&self.pool, worker, &result)
                    .await
                    .unwrap()
            );
        }
    }
}

pub fn by_tenant(claimed: &[Claimed]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for one in claimed {
        *counts.entry(one.tenant).or_default() += 1;
    }
    counts
}

pub async fn enqueue_in(
    session: &mut PgConnection,
    of: u32,
    in_workflow: u32,
    priority: i32,
    jobs: u32,
) {
    sqlx::query(
        "select private.enqueue_execution(w, jsonb_build_object('number', n), null, null, 'manual', priority => $3)
           from public.workflows w, generate_series(1, $4) n where w.tenant_id = $1 and w.id = $2",
    )
    .bind(tenant(of))
    .bind(workflow(in_workflow))
    .bind(priority)
    .bind(i32::try_from(jobs).unwrap())
    .execute(session)
    .await
    .unwrap();
}

/// To what a worker listens to for jobs.
pub async fn listen(listener: &mut PgListener) {
    listener.listen("aias_jobs").await.unwrap();
    sqlx::query("select queue.listen_to_offers()")
        .execute(listener)
        .await
        .unwrap();
}
