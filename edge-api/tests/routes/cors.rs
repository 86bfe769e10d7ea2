use edge_api::configuration::CorsOrigins;
use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;

use crate::support::{Answer, TestApp};

async fn preflight(app: &TestApp, origin: &str) -> Answer {
    app.request("OPTIONS", "/v1/executions")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type, idempotency-key, apikey, x-client-info",
        )
        .send()
        .await
}

#[sqlx::test(migrations = "../migrations")]
async fn any_origin_by_default_and_never_with_cookies(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let answer = preflight(&app, "https://anywhere.test").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for header in [
        "authorization",
        "content-type",
        "idempotency-key",
        "last-event-id",
        "apikey",
        "x-client-info",
    ] {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn only_the_listed_origins(pool: PgPool) {
    let app = TestApp::with(pool, |configuration| {
        configuration.cors_origins = CorsOrigins::Listed(vec!["https://app.test".to_owned()]);
    })
    .await;
    assert_eq!(
        preflight(&app, "https://app.test")
            .await
            .header("access-control-allow-origin"),
        Some("https://app.test")
    );
    assert_eq!(
        preflight(&app, "https://evil.test")
            .await
            .header("access-control-allow-origin"),
        None
    );
}

/// A browser hides an error whose answer lacks these headers, and the frontend sees only "failed to fetch".
#[sqlx::test(migrations = "../migrations")]
async fn errors_can_be_read_by_pages_too(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for answer in [
        app.get("/nowhere")
            .header("origin", "https://a.test")
            .send()
            .await,
        app.post("/v1/executions")
            .header("origin", "https://a.test")
            .send()
            .await,
        app.get("/v1/executions/x")
            .by(ALPHA_OWNER)
            .header("origin", "https://a.test")
            .send()
            .await,
    ] {
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{answer:?}"
        );
        assert!(
            answer
                .header("access-control-expose-headers")
                .unwrap()
                .contains("x-request-id")
        );
    }
}
