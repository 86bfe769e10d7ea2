//! One body everywhere, also where the framework or the database would have had another.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::seed::{ALPHA_OWNER, ALPHA_WORKFLOW};

use crate::support::{Answer, TestApp};

#[sqlx::test(migrations = "../migrations")]
async fn addresses_and_methods_that_do_not_exist(pool: PgPool) {
    let app = TestApp::new(pool).await;
    insta::assert_snapshot!(app.get("/v2").send().await.snapshot(), @r#"
    404 Not Found
    {
      "code": "no_such_route",
      "details": null,
      "hint": "every route is described at /docs",
      "message": "there is nothing at this address"
    }
    "#);
    insta::assert_snapshot!(app.request("DELETE", "/v1/executions").by(ALPHA_OWNER).send().await.snapshot(), @r#"
    405 Method Not Allowed
    allow: POST
    {
      "code": "method_not_allowed",
      "details": null,
      "hint": "see the Allow header, and /docs",
      "message": "this address does not take this method"
    }
    "#);
    assert_eq!(
        app.request("BREW", "/docs").send().await.code(),
        "method_not_allowed"
    );
}

/// The database's function, replaced by one that raises what it is told to.
async fn answer_to(app: &TestApp, raise: &str) -> Answer {
    let sql = format!(
        "create or replace function public.start_execution(workflow_id uuid, input jsonb default '{{}}', idempotency_key text default null,
           priority integer default 0)
         returns public.executions language plpgsql set search_path = '' as $body$ begin {raise}; return null; end $body$"
    );
    app.pool
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
    let body = serde_json::json!({"workflow_id": ALPHA_WORKFLOW});
    app.post("/v1/executions")
        .by(ALPHA_OWNER)
        .header("x-request-id", "test-7")
        .json(&body)
        .send()
        .await
}

#[sqlx::test(migrations = "../migrations")]
async fn a_refusal_is_passed_on_as_it_was_said(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let quota = r#"raise sqlstate 'PGRST' using
        message = '{"code": "quota_exceeded", "message": "used up", "details": "{\"meter\": \"executions\"}", "hint": "upgrade"}',
        detail = '{"status": 402, "headers": {"Retry-After": "86400", "X-Quota-Limit": "2", "Content-Length": "7", "bad name": "x"}}'"#;
    insta::assert_snapshot!(answer_to(&app, quota).await.snapshot(), @r#"
    402 Payment Required
    retry-after: 86400
    x-quota-limit: 2
    {
      "code": "quota_exceeded",
      "details": "{\"meter\": \"executions\"}",
      "hint": "upgrade",
      "message": "used up"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_the_database_says_by_sqlstate(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let mut seen = Vec::new();
    for raise in [
        "raise sqlstate 'PT418' using message = 'teapot', detail = 'short', hint = 'stout'",
        "raise exception 'not on Sundays' using hint = 'come back'",
        "perform 'x'::uuid",
        "perform 1 / 0",
        "raise sqlstate '42501' using message = 'permission denied for table secrets'",
        "raise sqlstate '23505' using message = 'duplicate key', detail = 'Key (email)=(a@b.c) exists', constraint = 'subdomain_is_unique'",
        "raise sqlstate '23514' using message = 'violates', constraint = 'name_is_not_empty'",
        "raise sqlstate '40001' using message = 'serialize'",
        "raise sqlstate '53300' using message = 'too many connections'",
        "raise sqlstate '57014' using message = 'canceling'",
        "raise sqlstate 'XX000' using message = 'the secret is hunter2'",
        "raise sqlstate '42P01' using message = 'relation \"hunter2\" does not exist'",
        "raise sqlstate 'PGRST' using message = 'not json', detail = '{}'",
        r#"raise sqlstate 'PGRST' using message = '{"code": "c", "message": "m"}', detail = '{"status": 200}'"#,
        "raise sqlstate 'PT200' using message = 'fine'",
        "return null",
    ] {
        let answer = answer_to(&app, raise).await;
        let body = answer.json();
        assert!(!answer.text().contains("hunter2"), "{raise}");
        seen.push(format!(
            "{} {} {} {} {}",
            answer.status.as_u16(),
            body["code"],
            body["message"],
            body["details"],
            body["hint"]
        ));
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    418 "PT418" "teapot" "short" "stout"
    400 "refused" "not on Sundays" null "come back"
    400 "invalid_value" "invalid input syntax for type uuid: \"x\"" null null
    400 "invalid_value" "division by zero" null null
    403 "forbidden" "you may not do this" null null
    409 "conflict" "this conflicts with what is already there" "subdomain is unique" null
    400 "constraint_violated" "a value is missing or not allowed" "name is not empty" null
    503 "unavailable" "the database cannot serve this at the moment" null "try again after the time in Retry-After"
    503 "unavailable" "the database cannot serve this at the moment" null "try again after the time in Retry-After"
    504 "timeout" "this took too long and was given up" null "try again; with an idempotency key nothing happens twice"
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    500 "internal" "something went wrong on our side; it was recorded" "request test-7" null
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_database_that_is_not_there(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.database = configuration.database.clone().port(1);
    })
    .await;
    let began = std::time::Instant::now();
    let answer = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .by(ALPHA_OWNER)
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "unavailable",
      "details": null,
      "hint": "try again after the time in Retry-After",
      "message": "the database cannot serve this at the moment"
    }
    "#);
    assert!(began.elapsed() < Duration::from_secs(10));
    insta::assert_snapshot!(app.get("/readyz").send().await.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "not_ready",
      "details": null,
      "hint": "check that Postgres runs and that AIAS_DATABASE_URL names it",
      "message": "the database does not answer"
    }
    "#);
    assert_eq!(app.get("/healthz").send().await.status, 200);
}

/// A login that may not become the caller is our fault, not the caller's: never a 403.
#[sqlx::test(migrations = "../migrations")]
async fn a_login_without_its_rights(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.database = configuration.database.clone().username("aias_worker");
        // One connection, so that whatever the first request leaves behind on it is met by the second.
        configuration.database_connections = 1;
    })
    .await;
    let answer = app
        .get(&format!("/v1/executions/{}", uuid::Uuid::nil()))
        .by(ALPHA_OWNER)
        .header("x-request-id", "test-8")
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    500 Internal Server Error
    {
      "code": "internal",
      "details": "request test-8",
      "hint": null,
      "message": "something went wrong on our side; it was recorded"
    }
    "#);
    insta::assert_snapshot!(app.get("/readyz").send().await.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "not_ready",
      "details": null,
      "hint": "connect as aias_edge, or grant authenticated to the login",
      "message": "the database login of this service may not become authenticated"
    }
    "#);
}
