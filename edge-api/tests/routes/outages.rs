//! The database is away, at the start or in between.

use std::time::Duration;

use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;

use crate::support::proxy::Proxy;
use crate::support::{TestApp, Worker};

async fn behind_proxy(pool: PgPool) -> (TestApp, Proxy) {
    let options = pool.connect_options();
    let proxy = Proxy::to(&format!("{}:{}", options.get_host(), options.get_port())).await;
    let address = proxy.address;
    let app = TestApp::with(pool, |configuration| {
        let through_proxy = configuration
            .database
            .clone()
            .host(&address.ip().to_string())
            .port(address.port());
        configuration.database = through_proxy;
    });
    (app.await, proxy)
}

/// The service starts, says what is missing, and serves as soon as it is there.
#[sqlx::test(migrations = "../migrations")]
async fn a_database_that_comes_later(pool: PgPool) {
    let (mut app, mut proxy) = behind_proxy(pool).await;
    app.spawn_background();
    assert_eq!(app.get("/healthz").send().await.status, 200);
    assert_eq!(app.get("/readyz").send().await.status, 503);
    let path = format!("/v1/executions/{}", uuid::Uuid::nil());
    let early = app.get(&path).by(ALPHA_OWNER).send().await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (503, "unavailable")
    );
    assert!(early.header("retry-after").is_some());

    proxy.open().await;
    app.wait_until("ready", async |_| {
        app.get("/readyz").send().await.status == 200
    })
    .await;
    assert_eq!(app.get(&path).by(ALPHA_OWNER).send().await.status, 404);
}

/// A stream does not end because the database restarts; what happened meanwhile arrives afterwards.
#[sqlx::test(migrations = "../migrations")]
async fn a_stream_outlives_an_outage(pool: PgPool) {
    let (app, mut proxy) = behind_proxy(pool).await;
    proxy.open().await;
    let app = app.listening().await;
    let id = app.start(ALPHA_OWNER).await;
    let mut events = app.events(ALPHA_OWNER, id).await;
    assert_eq!(events.next().await.unwrap().summary(), "execution queued");

    proxy.block().await;
    Worker::claim(&app.pool, id)
        .await
        .finish("succeeded", &[("start", "succeeded")])
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.open().await;
    assert_eq!(
        events.rest().await,
        ["step start succeeded 1", "execution succeeded"]
    );
}
