//! The database of one test.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool, Row};
use tests::seed::{ALPHA, ALPHA_OWNER};
use uuid::Uuid;

use super::PATIENCE;

#[derive(Clone)]
pub struct Stage {
    pub pool: PgPool,
}

#[derive(Debug)]
pub struct Execution {
    pub status: String,
    pub output: Option<Value>,
    pub error: Option<Value>,
}

#[derive(Debug, PartialEq)]
pub struct Step {
    pub node_id: String,
    pub status: String,
    pub attempt: i32,
}

impl Stage {
    /// Policies and seed over the migrations.
    pub async fn set(pool: &PgPool) -> Self {
        // Shown when a test fails. A second test in the same process finds it there.
        let _ = workers::telemetry::start_logging(workers::telemetry::LogFormat::Text);
        tests::policies::apply(pool).await.unwrap();
        tests::seed::apply(pool).await.unwrap();
        Self { pool: pool.clone() }
    }

    /// As a worker logs in.
    pub fn worker_options(&self) -> PgConnectOptions {
        (*self.pool.connect_options())
            .clone()
            .username("aias_worker")
    }

    /// The same as a URL, for a process.
    pub fn worker_url(&self) -> String {
        self.worker_options().to_url_lossy().to_string()
    }

    /// Publishes a workflow of Alpha.
    pub async fn workflow(&self, nodes: Value, connections: Value) -> Uuid {
        self.workflow_of(ALPHA, nodes, connections).await
    }

    pub async fn workflow_of(&self, tenant: Uuid, nodes: Value, connections: Value) -> Uuid {
        sqlx::query(
            "insert into public.workflows (tenant_id, name, status, nodes, connections)
             values ($1, 'Test', 'active', $2, $3) returning id",
        )
        .bind(tenant)
        .bind(nodes)
        .bind(connections)
        .fetch_one(&self.pool)
        .await
        .unwrap()
        .get(0)
    }

    /// Starts an execution, whosever workflow it is.
    pub async fn enqueue(&self, workflow: Uuid) -> Uuid {
        self.ask_queue(
            "select (private.enqueue_execution(w, '{}', null, null, 'manual')).id from public.workflows w where w.id = $1",
            workflow,
        )
        .await
    }

    /// Starts an execution as Alpha's owner does.
    pub async fn start(&self, workflow: Uuid, input: Value) -> Uuid {
        let mut owner = ALPHA_OWNER.actor().begin(&self.pool).await.unwrap();
        let id = sqlx::query_scalar("select id from public.start_execution($1, $2)")
            .bind(workflow)
            .bind(input)
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        owner.commit().await.unwrap();
        id
    }

    /// Cancels it as Alpha's owner does; answers its status.
    pub async fn cancel(&self, execution: Uuid) -> String {
        let mut owner = ALPHA_OWNER.actor().begin(&self.pool).await.unwrap();
        let status = sqlx::query_scalar("select status from public.cancel_execution($1)")
            .bind(execution)
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        owner.commit().await.unwrap();
        status
    }

    /// Calls an RPC as Alpha's owner does, given the execution as `$1`; answers what `select` finds.
    pub async fn ask<T>(&self, select: &'static str, execution: Uuid) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        self.try_ask(select, execution).await.unwrap()
    }

    /// Looks behind the doors, as the owner of the database; the query is given an id.
    pub async fn ask_queue<T>(&self, select: &'static str, id: Uuid) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(select)
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub async fn try_ask<T>(&self, select: &'static str, execution: Uuid) -> sqlx::Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut owner = ALPHA_OWNER.actor().begin(&self.pool).await.unwrap();
        let answer = sqlx::query_scalar(select)
            .bind(execution)
            .fetch_one(&mut *owner)
            .await?;
        owner.commit().await?;
        Ok(answer)
    }

    pub async fn execution(&self, id: Uuid) -> Execution {
        let row = sqlx::query("select status, output, error from public.executions where id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        Execution {
            status: row.get(0),
            output: row.get(1),
            error: row.get(2),
        }
    }

    pub async fn steps(&self, execution: Uuid) -> Vec<Step> {
        sqlx::query(
            "select node_id || case when item >= 0 then format('[%s]', item) else '' end, status, attempt
               from public.execution_steps where execution_id = $1 order by node_id, item",
        )
            .bind(execution)
            .map(|row: sqlx::postgres::PgRow| Step { node_id: row.get(0), status: row.get(1), attempt: row.get(2) })
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// `node:status:attempt`, by node.
    pub async fn summary(&self, execution: Uuid) -> Vec<String> {
        let steps = self.steps(execution).await;
        steps
            .iter()
            .map(|step| format!("{}:{}:{}", step.node_id, step.status, step.attempt))
            .collect()
    }

    /// Waits until a query answers true. The query is given the execution.
    pub async fn until(&self, execution: Uuid, what: &'static str) {
        assert!(
            self.becomes_true(what, execution).await,
            "never: {what}; {:?} {:?}",
            self.execution(execution).await,
            self.summary(execution).await
        );
    }

    /// Waits until a query answers true; answers whether it did. The query is given an id.
    pub async fn becomes_true(&self, what: &'static str, id: Uuid) -> bool {
        let begun = Instant::now();
        loop {
            let is_true: Option<bool> = sqlx::query_scalar(what)
                .bind(id)
                .fetch_optional(&self.pool)
                .await
                .unwrap()
                .flatten();
            if is_true == Some(true) || begun.elapsed() > PATIENCE {
                return is_true == Some(true);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn until_status(&self, execution: Uuid, status: &str) -> Execution {
        let begun = Instant::now();
        loop {
            let found = self.execution(execution).await;
            if found.status == status {
                return found;
            }
            let patience = begun.elapsed() < PATIENCE;
            assert!(
                patience,
                "{found:?} is not {status}; {:?}",
                self.summary(execution).await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn jobs(&self) -> i64 {
        sqlx::query_scalar("select count(*) from queue.jobs")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

/// Everything that the database has, outside of what is sealed, as one text.
pub async fn everything(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_catalog.pg_class c
          where c.relkind = 'r' and c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'history', 'aias')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = String::new();
    for table in tables {
        let sql = format!("select coalesce(string_agg(to_jsonb(t)::text, ' '), '') from {table} t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(pool)
            .await
            .unwrap();
        all.push_str(&text);
    }
    all
}
