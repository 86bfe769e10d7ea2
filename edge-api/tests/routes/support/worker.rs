use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

/// A worker as the database knows one: it claims, and records what a test tells it to.
pub struct Worker {
    pool: PgPool,
    tenant_id: Uuid,
    execution_id: Uuid,
    fencing_token: i64,
}

impl Worker {
    /// Claims everything that is due, and holds on to one execution. It stays `queued` until something is recorded.
    pub async fn claim(pool: &PgPool, execution_id: Uuid) -> Self {
        let claimed: (Uuid, i64) = sqlx::query_as(
            concat!("select tenant_id, fencing_token from queue.claim('tester', 1000, interval '1 minute', '{}', '{}', '{}') ",
                "where execution_id = $1"),
        )
        .bind(execution_id)
        .fetch_one(pool)
        .await
        .expect("the execution is due");
        Self {
            pool: pool.clone(),
            tenant_id: claimed.0,
            execution_id,
            fencing_token: claimed.1,
        }
    }

    /// Records steps as (node, status), and leaves the execution running.
    pub async fn record(&self, steps: &[(&str, &str)]) {
        let mut connection = self.pool.acquire().await.expect("a connection");
        self.write(&mut connection, "running", steps).await;
    }

    /// Records steps, and ends the execution.
    pub async fn finish(&self, status: &str, steps: &[(&str, &str)]) {
        let mut connection = self.pool.acquire().await.expect("a connection");
        self.write(&mut connection, status, steps).await;
    }

    async fn write(&self, connection: &mut PgConnection, status: &str, steps: &[(&str, &str)]) {
        let step = |(node, status): &(&str, &str)| {
            let mut step = json!({"node_id": node, "kind": "transform", "status": status, "attempt": 1, "output": {"from": node}});
            if *status == "failed" {
                step["error"] = json!({"code": "test", "message": "failed on purpose"});
            }
            step
        };
        let error = if status == "failed" {
            json!({"code": "test", "message": "failed on purpose"})
        } else {
            Value::Null
        };
        let result = json!({
            "tenant_id": self.tenant_id, "execution_id": self.execution_id, "fencing_token": self.fencing_token,
            "status": status, "output": {"reply": "done"}, "error": error, "steps": steps.iter().map(step).collect::<Vec<_>>(),
        });
        let written = tests::queue::record(connection, "tester", &result).await;
        assert!(
            written.expect("a result that is well formed"),
            "the lease is held"
        );
    }
}
