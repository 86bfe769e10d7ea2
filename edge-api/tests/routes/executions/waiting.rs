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
      "error": null,
      "finished_at": "[time]",
      "id": "[id]",
      "idempotency_key": null,
      "input": {},
      "output": {
        "reply": "done"
      },
      "revision": 3,
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
