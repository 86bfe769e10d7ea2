//! Tenants whose time has come.

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};

use crate::support::{Stage, Worker, trigger};

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_is_erased_when_it_is_due_and_no_other_is(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    // It takes more than one turn: what there may be much of goes first.
    let workflow = stage.workflow(json!([trigger()]), json!([])).await;
    let execution = stage.start(workflow, json!({})).await;
    stage.cancel(execution).await;
    for (tenant, days) in [(ALPHA, 31), (BETA, 29)] {
        sqlx::query("update tenants set status = 'cancelled', cancelled_at = now() - make_interval(days => $2) where id = $1")
            .bind(tenant)
            .bind(days)
            .execute(&pool)
            .await
            .unwrap();
    }
    let worker = Worker::start(&stage, &[]);
    let erased = "select not exists (select from tenants where id = $1)
                     and not exists (select from memberships where tenant_id = $1)";
    assert!(stage.becomes_true(erased, ALPHA).await);
    worker.stop().await;
    let left: Vec<String> = sqlx::query_scalar("select name from tenants")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["Beta"]);
}
