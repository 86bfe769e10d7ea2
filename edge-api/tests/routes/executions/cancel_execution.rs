use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER};
use uuid::Uuid;

use crate::support::{TestApp, Worker};

#[sqlx::test(migrations = "../migrations")]
async fn one_that_nobody_works_on_ends_at_once(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    200 OK
    location: /v1/executions/[id]
    {
      "cancel_requested_at": "[time]",
      "created_at": "[time]",
      "depth": 0,
      "error": null,
      "finished_at": "[time]",
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
      "revision": 1,
      "started_at": null,
      "started_by": "01900000-0000-7000-8000-0000000000a1",
      "status": "cancelled",
      "tenant_id": "01900000-0000-7000-8000-00000000a000",
      "workflow_id": "01900000-0000-7000-8000-00000000a0f1",
      "workflow_version": 1
    }
    "#);

    let again = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(again.snapshot(), @r#"
    409 Conflict
    {
      "code": "execution_finished",
      "details": null,
      "hint": null,
      "message": "this execution is over; its status is cancelled"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_a_worker_holds_is_cancelled_by_it(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let worker = Worker::claim(&app.pool, id).await;
    worker.record(&[("start", "succeeded")]).await;
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["status"], "running");
    assert!(answer.json()["cancel_requested_at"].is_string());

    worker.finish("cancelled", &[]).await;
    let after = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(after.json()["status"], "cancelled");
}

/// A worker has it in hand, and has recorded nothing of it.
#[sqlx::test(migrations = "../migrations")]
async fn one_that_a_worker_has_just_taken_up(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let worker = Worker::claim(&app.pool, id).await;
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["status"]),
        (202, &json!("queued"))
    );
    assert!(answer.json()["cancel_requested_at"].is_string());
    worker.finish("cancelled", &[]).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn who_may_only_read_may_not(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_VIEWER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    403 Forbidden
    {
      "code": "forbidden",
      "details": null,
      "hint": "ask for the permission executions.cancel",
      "message": "your role may not do this"
    }
    "#);
    let after = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(after.json()["status"], "queued");
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_is_not_there(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = app
        .post(&format!("/v1/executions/{}/cancel", Uuid::now_v7()))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    404 Not Found
    {
      "code": "not_found",
      "details": null,
      "hint": null,
      "message": "there is no such execution"
    }
    "#);
}
