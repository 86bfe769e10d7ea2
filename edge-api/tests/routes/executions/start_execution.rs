use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER, ALPHA_WORKFLOW, BETA_OWNER};
use uuid::Uuid;

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
async fn those_with_a_higher_priority_are_begun_first(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for (body, expected) in [
        (json!({"priority": -100}), -100),
        (json!({}), 0),
        (json!({"priority": null}), 0),
        (json!({"priority": 100}), 100),
    ] {
        let mut wanted = json!({"workflow_id": ALPHA_WORKFLOW});
        wanted
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        let answer = start(&app, wanted).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["priority"]),
            (202, &json!(expected))
        );
    }
    let mut begun = Vec::new();
    for _ in 0..4 {
        let id: Uuid = sqlx::query_scalar(
            "select execution_id from queue.claim('tester', 1, interval '1 minute', '{}', '{}', '{}')",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        let answer = app
            .get(&format!("/v1/executions/{id}"))
            .by(ALPHA_OWNER)
            .send()
            .await;
        begun.push(answer.json()["priority"].clone());
    }
    assert_eq!(begun, [100, 0, 0, -100]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_is_sent_again_keeps_the_priority(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let mut body =
        json!({"workflow_id": ALPHA_WORKFLOW, "idempotency_key": "ticket 7", "priority": 7});
    let first = start(&app, body.clone()).await;
    body["priority"] = json!(-7);
    let again = start(&app, body).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(again.json()["priority"], 7);
}

#[sqlx::test(migrations = "../migrations")]
async fn priorities_that_are_none(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = start(
        &app,
        json!({"workflow_id": ALPHA_WORKFLOW, "priority": 101}),
    )
    .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    400 Bad Request
    {
      "code": "priority_invalid",
      "details": null,
      "hint": "0 is usual; a higher one is begun first",
      "message": "a priority is from -100 to 100"
    }
    "#);
    let answer = start(
        &app,
        json!({"workflow_id": ALPHA_WORKFLOW, "priority": -101}),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "priority_invalid")
    );
    assert_eq!(count(&app).await, 0);
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
    insta::assert_snapshot!(send("[]").await, @r#"400 invalid_body "invalid length 0, expected struct StartExecution with 5 elements at line 1 column 2""#);
    insta::assert_snapshot!(send("{}").await, @r#"400 invalid_body "missing field `workflow_id` at line 1 column 2""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "mine"}"#).await, @r#"400 invalid_body "workflow_id: UUID parsing failed: invalid character: found `m` at 0 at line 1 column 22""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "inputs": {}}"#).await, @r#"400 invalid_body "inputs: unknown field `inputs`, expected one of `workflow_id`, `input`, `idempotency_key`, `priority`, `wait` at line 1 column 64""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "input": "\u0000"}"#).await, @r#"400 invalid_value "\\u0000 cannot be converted to text.""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "wait": 61}"#).await, @r#"400 invalid_wait null"#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "wait": -1}"#).await, @r#"400 invalid_wait null"#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "priority": 0.5}"#).await, @r#"400 invalid_body "priority: invalid type: floating point `0.5`, expected i32 at line 1 column 71""#);
    insta::assert_snapshot!(send(r#"{"workflow_id": "01900000-0000-7000-8000-00000000a0f1", "priority": 3000000000}"#).await, @r#"400 invalid_body "priority: invalid value: integer `3000000000`, expected i32 at line 1 column 78""#);
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
