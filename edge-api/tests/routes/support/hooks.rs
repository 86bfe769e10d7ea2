//! A workflow of Alpha that begins with a webhook.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use uuid::Uuid;

pub struct Hook {
    pub pool: PgPool,
    pub workflow: Uuid,
    /// `/hooks/<token>`.
    pub path: String,
}

impl Hook {
    /// Publishes a workflow with this trigger, and asks for its address as its owner does.
    pub async fn publish(pool: &PgPool, trigger: Value) -> Self {
        let nodes = json!([{"id": "start", "type": "trigger", "config": trigger}]);
        let workflow = sqlx::query_scalar(
            "insert into public.workflows (tenant_id, name, status, nodes) values ($1, 'Hook', 'active', $2) returning id",
        )
        .bind(ALPHA)
        .bind(nodes)
        .fetch_one(pool)
        .await
        .expect("published");
        let mut hook = Self {
            pool: pool.clone(),
            workflow,
            path: String::new(),
        };
        hook.path = hook.rpc("webhook_url").await;
        hook
    }

    /// An RPC about this workflow, as Alpha's owner.
    pub async fn rpc(&self, name: &str) -> String {
        let mut owner = ALPHA_OWNER.actor().begin(&self.pool).await.expect("begun");
        let sql = sqlx::AssertSqlSafe(format!("select public.{name}($1)"));
        let answer = sqlx::query_scalar(sql)
            .bind(self.workflow)
            .fetch_one(&mut *owner)
            .await
            .expect("answered");
        owner.commit().await.expect("kept");
        answer
    }

    pub async fn is(&self, change: &str) {
        let sql = sqlx::AssertSqlSafe(format!(
            "update public.workflows set {change} where id = $1"
        ));
        sqlx::query(sql)
            .bind(self.workflow)
            .execute(&self.pool)
            .await
            .expect("changed");
    }

    /// Inputs of the executions that it has started, the first one first.
    pub async fn started(&self) -> Vec<Value> {
        sqlx::query_scalar(
            "select input from public.executions where workflow_id = $1 order by created_at, id",
        )
        .bind(self.workflow)
        .fetch_all(&self.pool)
        .await
        .expect("read")
    }
}
