use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER, BETA_OWNER};
use uuid::Uuid;

use crate::support::TestApp;

#[sqlx::test(migrations = "../migrations")]
async fn a_member_reads_it(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let answer = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_VIEWER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    200 OK
    {
      "cancel_requested_at": null,
      "created_at": "[time]",
      "depth": 0,
      "error": null,
      "finished_at": null,
      "id": "[id]",
      "idempotency_key": null,
      "input": {
        "name": "Ada"
      },
      "origin": "manual",
      "output": null,
      "parent_id": null,
      "parent_item": null,
      "parent_node": null,
      "pause_requested_at": null,
      "priority": 0,
      "retried_from": null,
      "revision": 0,
      "started_at": null,
      "started_by": "01900000-0000-7000-8000-0000000000a1",
      "status": "queued",
      "tenant_id": "01900000-0000-7000-8000-00000000a000",
      "workflow_id": "01900000-0000-7000-8000-00000000a0f1",
      "workflow_version": 1
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_not_visible_is_not_there(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let invisible = app
        .get(&format!("/v1/executions/{id}"))
        .by(BETA_OWNER)
        .send()
        .await;
    let absent = app
        .get(&format!("/v1/executions/{}", Uuid::now_v7()))
        .by(BETA_OWNER)
        .send()
        .await;
    assert_eq!(invisible.snapshot(), absent.snapshot());
    insta::assert_snapshot!(invisible.snapshot(), @r#"
    404 Not Found
    {
      "code": "not_found",
      "details": null,
      "hint": null,
      "message": "there is no such execution"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_id_that_is_none(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = app.get("/v1/executions/mine").by(ALPHA_OWNER).send().await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    400 Bad Request
    {
      "code": "invalid_path",
      "details": "Invalid URL: Cannot parse `id` with value `mine`: UUID parsing failed: invalid character: found `m` at 0",
      "hint": null,
      "message": "a part of the address is not of the kind that belongs there"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn the_row_is_the_one_that_postgrest_answers(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let answer = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    let mut as_owner = ALPHA_OWNER.actor().begin(&app.pool).await.unwrap();
    let row: serde_json::Value =
        sqlx::query_scalar("select row_to_json(e)::jsonb from public.executions e where id = $1")
            .bind(id)
            .fetch_one(&mut *as_owner)
            .await
            .unwrap();
    assert_eq!(answer.json(), row);
}
