use sqlx::{Executor, PgPool};
use tests::seed::ALPHA_OWNER;

use crate::support::TestApp;

#[sqlx::test(migrations = "../migrations")]
async fn alive_and_ready(pool: PgPool) {
    let app = TestApp::new(pool).await;
    assert_eq!(app.get("/healthz").send().await.text(), "ok");
    assert_eq!(app.get("/readyz").send().await.text(), "ready");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_database_without_policies(pool: PgPool) {
    let app = TestApp::new(pool).await;
    app.pool
        .execute("revoke execute on function public.cancel_execution(uuid) from authenticated")
        .await
        .unwrap();
    insta::assert_snapshot!(app.get("/readyz").send().await.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "not_ready",
      "details": null,
      "hint": "apply policies/",
      "message": "the database lets nobody call what this service calls"
    }
    "#);
}

/// What the login asks for itself is a part of it: without, no key could be checked.
#[sqlx::test(migrations = "../migrations")]
async fn a_login_that_may_not_ask(pool: PgPool) {
    let app = TestApp::new(pool).await;
    app.pool
        .execute("revoke execute on function edge.authenticate_key(bytea) from aias_edge")
        .await
        .unwrap();
    let answer = app.get("/readyz").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["hint"].as_str()),
        (503, Some("apply policies/"))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_database_without_migrations(pool: PgPool) {
    let app = TestApp::new(pool).await;
    app.pool
        .execute("drop function public.cancel_execution(uuid)")
        .await
        .unwrap();
    insta::assert_snapshot!(app.get("/readyz").send().await.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "not_ready",
      "details": null,
      "hint": "apply migrations/",
      "message": "the database has no tables and functions of this project"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn metrics_count_by_route_template(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let id = app.start(ALPHA_OWNER).await;
    app.get(&format!("/v1/executions/{id}"))
        .by(ALPHA_OWNER)
        .send()
        .await;
    app.get(&format!("/v1/executions/{id}")).send().await;
    app.get("/nowhere").send().await;
    app.request("BREW", "/healthz").send().await;
    let mut stream = app.events(ALPHA_OWNER, id).await;
    stream.next().await;

    let answer = app.get("/metrics").send().await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        r#"aias_edge_requests_total{method="GET",route="/v1/executions/{id}",status="200"} 1"#,
        r#"aias_edge_requests_total{method="GET",route="/v1/executions/{id}",status="401"} 1"#,
        r#"aias_edge_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"aias_edge_requests_total{method="other",route="/healthz",status="405"} 1"#,
        r#"aias_edge_refused_credentials_total{code="missing_credential"} 1"#,
        r#"aias_edge_request_duration_seconds_count{method="POST",route="/v1/executions"} 1"#,
        "aias_edge_open_streams 1",
        "aias_edge_watched_executions 1",
        r#"aias_edge_database_connections{state="used"}"#,
    ] {
        assert!(
            answer.text().lines().any(|found| found.starts_with(line)),
            "{line} in\n{}",
            answer.text()
        );
    }
    assert!(!answer.text().contains(&id.to_string()));
}
