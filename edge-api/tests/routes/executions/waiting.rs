//! `wait`: the answer when it is over, or 202 when it takes longer.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_WORKFLOW};
use uuid::Uuid;

use crate::support::{TestApp, Worker};

async fn queued(app: &TestApp) -> Uuid {
    app.wait_until("an execution is queued", async |pool| {
        sqlx::query_scalar::<_, i64>("select count(*) from queue.jobs")
            .fetch_one(pool)
            .await
            .unwrap()
            == 1
    })
    .await;
    sqlx::query_scalar("select execution_id from queue.jobs")
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn finished_in_time(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let request = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 30}));
    let work = async {
        let worker = Worker::claim(&app.pool, queued(&app).await).await;
        worker.finish("succeeded", &[("start", "succeeded")]).await;
    };
    let (answer, ()) = tokio::join!(request.send(), work);
    insta::assert_snapshot!(answer.snapshot(), @r#"
    200 OK
    location: /v1/executions/[id]
    {
      "cancel_requested_at": null,
      "created_at": "[time]",
      "depth": 0,
      "error": null,
      "finished_at": "[time]",
      "id": "[id]",
      "idempotency_key": null,
      "input": {},
      "origin": "manual",
      "output": {
        "reply": "done"
      },
      "parent_id": null,
      "parent_item": null,
      "parent_node": null,
      "pause_requested_at": null,
      "priority": 0,
      "retried_from": null,
      "revision": 2,
      "started_at": "[time]",
      "started_by": "01900000-0000-7000-8000-0000000000a1",
      "status": "succeeded",
      "tenant_id": "01900000-0000-7000-8000-00000000a000",
      "workflow_id": "01900000-0000-7000-8000-00000000a0f1",
      "workflow_version": 1
    }
    "#);
    assert!(app.app.streams().watchers().is_empty());
}

async fn without_polls(pool: PgPool) -> TestApp {
    TestApp::with(pool, |configuration| {
        configuration.limits.poll_interval = Duration::from_secs(3600)
    })
    .await
    .listening()
    .await
}

#[sqlx::test(migrations = "../migrations")]
async fn a_notification_ends_the_wait(pool: PgPool) {
    let app = without_polls(pool).await;
    let request = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 30}));
    let work = async {
        let id = queued(&app).await;
        app.wait_until_announced(id).await;
        Worker::claim(&app.pool, id)
            .await
            .finish("succeeded", &[])
            .await;
    };
    let (answer, ()) = tokio::join!(request.send(), work);
    assert_eq!(answer.status, 200);
}

/// It ends before the database knows that somebody waits, and nobody is notified.
#[sqlx::test(migrations = "../migrations")]
async fn an_end_before_the_announcement_ends_the_wait_with_it(pool: PgPool) {
    let app = without_polls(pool).await;
    let held = app.hold_announcements().await;
    let request = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 30}));
    let work = async {
        let id = queued(&app).await;
        app.wait_until_announcing().await;
        // It has looked once, and found nothing.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Worker::claim(&app.pool, id)
            .await
            .finish("succeeded", &[])
            .await;
        held.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(request.send(), work);
    assert_eq!(answer.status, 200);
}

#[sqlx::test(migrations = "../migrations")]
async fn not_finished_in_time(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let began = Instant::now();
    let answer = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 0.3}))
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["status"]),
        (202, &json!("queued"))
    );
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(app.app.streams().watchers().is_empty());
}

#[sqlx::test(migrations = "../migrations")]
async fn a_server_that_stops_does_not_keep_anybody_waiting(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let request = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 60}));
    let stop = async {
        queued(&app).await;
        app.stopping.cancel();
    };
    let (answer, ()) = tokio::join!(request.send(), stop);
    assert_eq!(answer.status, 202);
}

#[sqlx::test(migrations = "../migrations")]
async fn those_who_wait_leave_their_place_to_others(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.limits.requests = 1).await;
    let waiting = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "wait": 30}));
    let others = async {
        let id = queued(&app).await;
        let mut seen = app
            .get(&format!("/v1/executions/{id}"))
            .by(ALPHA_OWNER)
            .send()
            .await;
        while seen.status == 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            seen = app
                .get(&format!("/v1/executions/{id}"))
                .by(ALPHA_OWNER)
                .send()
                .await;
        }
        assert_eq!(seen.json()["status"], "queued");
        Worker::claim(&app.pool, id)
            .await
            .finish("succeeded", &[])
            .await;
    };
    let (answer, ()) = tokio::join!(waiting.send(), others);
    assert_eq!(answer.status, 200);
}
