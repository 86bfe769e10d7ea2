use sqlx::PgPool;

use crate::support::TestApp;

#[sqlx::test(migrations = "../migrations")]
async fn every_answer_has_one(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for path in ["/healthz", "/nowhere", "/v1/executions/x"] {
        let answer = app.get(path).send().await;
        assert_eq!(
            answer.header("x-request-id").map(str::len),
            Some(36),
            "{path}"
        );
    }
    assert_eq!(
        app.get("/healthz")
            .header("x-request-id", "from-the-proxy-7")
            .send()
            .await
            .header("x-request-id"),
        Some("from-the-proxy-7")
    );
    assert_ne!(
        app.get("/healthz")
            .header("x-request-id", "a b")
            .send()
            .await
            .header("x-request-id"),
        Some("a b")
    );
}
