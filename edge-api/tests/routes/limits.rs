use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_WORKFLOW};

use crate::support::TestApp;

/// A body of which nothing ever arrives.
fn stuck() -> Body {
    Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>())
}

#[sqlx::test(migrations = "../migrations")]
async fn a_body_that_is_too_large(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let body = json!({"workflow_id": ALPHA_WORKFLOW, "input": "x".repeat(1024 * 1024)});
    let answer = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&body)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    413 Payload Too Large
    {
      "code": "body_too_large",
      "details": null,
      "hint": "store large data elsewhere and pass a reference",
      "message": "the body of a request is limited to 1 MiB"
    }
    "#);
}

/// A call of a model may take minutes; what is asked of it may not.
#[sqlx::test(migrations = "../migrations")]
async fn a_question_that_takes_too_long_to_come(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.request_timeout = Duration::from_secs(1)
    })
    .await;
    for path in ["/v1/chat/completions", "/v1/embeddings"] {
        // Something comes all the time, and never all of it.
        let bytes = futures::stream::repeat(Bytes::from_static(b" ")).then(|byte| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, Infallible>(byte)
        });
        let answer = app
            .post(&format!("{path}?tenant_id={ALPHA}"))
            .by(ALPHA_OWNER)
            .header("content-type", "application/json")
            .body(Body::from_stream(bytes))
            .send()
            .await;
        assert_eq!(answer.status, 408);
        assert_eq!(answer.code(), "body_too_slow");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_request_that_takes_too_long(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        // Long enough for what is not held up, on a machine that is busy with other tests.
        configuration.limits.request_timeout = Duration::from_secs(2)
    })
    .await;
    let id = app.start(ALPHA_OWNER).await;
    // Somebody holds the row for longer than the request may take.
    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query("select from queue.jobs for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    504 Gateway Timeout
    {
      "code": "timeout",
      "details": null,
      "hint": "try again; with an idempotency key nothing happens twice",
      "message": "this took too long and was given up"
    }
    "#);
    holder.rollback().await.unwrap();

    let after = app
        .get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(
        after.json()["status"],
        "queued",
        "what was given up was rolled back"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_statement_that_takes_too_long(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.limits.statement_timeout = Duration::from_millis(100)
    })
    .await;
    let id = app.start(ALPHA_OWNER).await;
    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query("select from queue.jobs for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let answer = app
        .post(&format!("/v1/executions/{id}/cancel"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (504, "timeout")
    );
    holder.rollback().await.unwrap();
}

/// What is over the limit is told so at once; health and metrics are served all the same.
#[sqlx::test(migrations = "../migrations")]
async fn one_request_more_than_allowed(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.limits.requests = 1).await;
    let stuck = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .header("content-type", "application/json")
        .body(stuck())
        .send();
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let refused = app
            .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
            .by(ALPHA_OWNER)
            .send()
            .await;
        insta::assert_snapshot!(refused.snapshot(), @r#"
        503 Service Unavailable
        retry-after: 1
        {
          "code": "overloaded",
          "details": null,
          "hint": "try again after the time in Retry-After",
          "message": "too many requests are being served at the moment"
        }
        "#);
        assert_eq!(app.get("/healthz").send().await.status, 200);
        assert_eq!(app.get("/metrics").send().await.status, 200);
    };
    tokio::select! {
        answer = stuck => panic!("answered without a body: {answer:?}"),
        () = meanwhile => {}
    }
    let after = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(after.status, 404, "the place is free again");
}

/// A client that sends slowly must not keep a connection to the database from others.
#[sqlx::test(migrations = "../migrations")]
async fn a_slow_body_holds_no_connection(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| configuration.database_connections = 1).await;
    let slow = (0..20).map(|_| {
        app.post("/v1/executions")
            .by(ALPHA_OWNER)
            .header("content-type", "application/json")
            .body(stuck())
            .send()
    });
    tokio::select! {
        _ = futures::future::join_all(slow) => panic!("answered without a body"),
        id = app.start(ALPHA_OWNER) => assert!(!id.is_nil()),
    }
}
