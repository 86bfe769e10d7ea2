use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER, ALPHA_WORKFLOW, BETA_OWNER};

use crate::support::{Answer, TestApp};

async fn start(app: &TestApp, body: serde_json::Value) -> Answer {
    app.post("/v1/executions")
        .by(ALPHA_OWNER)
        .json(&body)
        .send()
        .await
}

async fn count(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from public.executions")
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn it_is_accepted_and_queued(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = start(
        &app,
        json!({"workflow_id": ALPHA_WORKFLOW, "input": {"name": "Ada"}}),
    )
    .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    202 Accepted
    location: /v1/executions/[id]
    {
      "cancel_requested_at": null,
      "created_at": "[time]",
      "error": null,
      "finished_at": null,
      "id": "[id]",
      "idempotency_key": null,
      "input": {
        "name": "Ada"
      },
      "output": null,
      "revision": 0,
      "started_at": null,
      "started_by": "01900000-0000-7000-8000-0000000000a1",
      "status": "queued",
      "tenant_id": "01900000-0000-7000-8000-00000000a000",
      "workflow_id": "01900000-0000-7000-8000-00000000a0f1",
      "workflow_version": 1
    }
    "#);
    let jobs: i64 = sqlx::query_scalar("select count(*) from queue.jobs")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(jobs, 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn input_may_be_left_out_and_may_be_any_json(pool: PgPool) {
    let app = TestApp::new(pool).await;
    assert_eq!(
        start(&app, json!({"workflow_id": ALPHA_WORKFLOW}))
            .await
            .json()["input"],
        json!({})
    );
    assert_eq!(
        start(&app, json!({"workflow_id": ALPHA_WORKFLOW, "input": null}))
            .await
            .json()["input"],
        json!({})
    );
    assert_eq!(
        start(
            &app,
            json!({"workflow_id": ALPHA_WORKFLOW, "input": [1, "é", false]})
        )
        .await
        .json()["input"],
        json!([1, "é", false])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn one_key_starts_one_execution(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let in_body = start(
        &app,
        json!({"workflow_id": ALPHA_WORKFLOW, "input": {"n": 1}, "idempotency_key": "ticket 7"}),
    )
    .await;
    let body = json!({"workflow_id": ALPHA_WORKFLOW, "input": {"n": 1}});
    let in_header = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .header("idempotency-key", "ticket 7")
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (in_header.status, in_header.json()),
        (in_body.status, in_body.json())
    );
    assert_eq!(count(&app).await, 1);

    let other_input = start(
        &app,
        json!({"workflow_id": ALPHA_WORKFLOW, "input": {"n": 2}, "idempotency_key": "ticket 7"}),
    )
    .await;
    insta::assert_snapshot!(other_input.snapshot(), @r#"
    409 Conflict
    {
      "code": "idempotency_key_reused",
      "details": null,
      "hint": "use a new key for a new execution",
      "message": "this idempotency key was used before with another input"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn keys_that_are_none(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let differing = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .header("idempotency-key", "a")
        .json(&json!({"workflow_id": ALPHA_WORKFLOW, "idempotency_key": "b"}));
    insta::assert_snapshot!(differing.send().await.snapshot(), @r#"
    400 Bad Request
    {
      "code": "invalid_idempotency_key",
      "details": null,
      "hint": null,
      "message": "the Idempotency-Key header and idempotency_key in the body differ"
    }
    "#);
    for key in ["".to_owned(), "x".repeat(256)] {
        let answer = start(
            &app,
            json!({"workflow_id": ALPHA_WORKFLOW, "idempotency_key": key}),
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "invalid_idempotency_key")
        );
    }
    assert_eq!(count(&app).await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn bodies_that_are_none(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let send = async |body: &'static str| {
        let answer = app
            .post("/v1/executions")
            .by(ALPHA_OWNER)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        format!(
            "{} {} {}",
            answer.status.as_u16(),
            answer.code(),
            answer.json()["details"]
        )
    };
    insta::assert_snapshot!(send("").await, @r#"400 invalid_json "EOF while parsing a value at line 1 column 0""#);
    insta::assert_snapshot!(send("{").await, @r#"400 invalid_json "EOF while parsing an object at line 1 column 1""#);
    insta::assert_snapshot!(send("[]").await, @r#"400 invalid_body "invalid length 0, expected struct StartExecution with 4 elements at line 1 column 2""#);
    insta::assert_snapshot!(send("{}").await, @r#"400 invalid_body "missing field `workflow_id` at line 1 column 2""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "mine"}"#).await, @r#"400 invalid_body "workflow_id: UUID parsing failed: invalid character: found `m` at 0 at line 1 column 22""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "inputs": {}}"#).await, @r#"400 invalid_body "inputs: unknown field `inputs`, expected one of `workflow_id`, `input`, `idempotency_key`, `wait` at line 1 column 64""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "input": "\u0000"}"#).await, @r#"400 invalid_value "\\u0000 cannot be converted to text.""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "wait": 61}"#).await, @r#"400 invalid_wait null"#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "wait": -1}"#).await, @r#"400 invalid_wait null"#);
    let text = app
        .post("/v1/executions")
        .by(ALPHA_OWNER)
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await;
    insta::assert_snapshot!(text.snapshot(), @r#"
    415 Unsupported Media Type
    {
      "code": "unsupported_media_type",
      "details": null,
      "hint": "send Content-Type: application/json",
      "message": "the body must be JSON"
    }
    "#);
    assert_eq!(count(&app).await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn who_may_only_read_may_not(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = app
        .post("/v1/executions")
        .by(ALPHA_VIEWER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW}))
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    403 Forbidden
    {
      "code": "forbidden",
      "details": null,
      "hint": "ask for the permission workflows.execute",
      "message": "your role may not do this"
    }
    "#);
    assert_eq!(count(&app).await, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_of_somebody_else_is_not_there(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = app
        .post("/v1/executions")
        .by(BETA_OWNER)
        .json(&json!({"workflow_id": ALPHA_WORKFLOW}))
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    404 Not Found
    {
      "code": "not_found",
      "details": null,
      "hint": null,
      "message": "there is no such workflow"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_that_is_not_active(pool: PgPool) {
    let app = TestApp::new(pool).await;
    sqlx::query("update public.workflows set status = 'paused'")
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = start(&app, json!({"workflow_id": ALPHA_WORKFLOW})).await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    409 Conflict
    {
      "code": "workflow_not_active",
      "details": null,
      "hint": "activate it first: rpc activate_workflow",
      "message": "workflow \"Hello\" is paused"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn over_the_plan_is_402_as_the_database_says_it(pool: PgPool) {
    let app = TestApp::new(pool).await;
    sqlx::query(r#"update public.tenants set limit_overrides = '{"executions": 1}' where subdomain = 'alpha'"#).execute(&app.pool).await.unwrap();
    app.start(ALPHA_OWNER).await;
    let answer = start(&app, json!({"workflow_id": ALPHA_WORKFLOW})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (402, "quota_exceeded")
    );
    assert_eq!(count(&app).await, 1, "a refusal leaves nothing behind");
}
