use std::time::Duration;

use edge_api::hosts::HostPace;
use edge_api::server;
use sqlx::PgPool;
use tests::seed::ALPHA;
use tokio::net::TcpListener;

use crate::support::hosts::{app, at_once};
use crate::support::{Answer, TestApp};

async fn tenant(app: &TestApp, host: &str) -> Answer {
    app.get("/v1/tenant").header("host", host).send().await
}

#[sqlx::test(migrations = "../migrations")]
async fn a_login_page_learns_whose_it_is(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    insta::assert_snapshot!(tenant(&app, "alpha.apps.test").await.snapshot(), @r#"
    200 OK
    {
      "id": "01900000-0000-7000-8000-00000000a000",
      "name": "Alpha",
      "subdomain": "alpha"
    }
    "#);
    let same = tenant(&app, "alpha.apps.test").await.text().to_owned();
    for host in [
        "Alpha.Apps.Test.:443",
        "desk.alpha.test",
        "DESK.alpha.test:8443",
    ] {
        assert_eq!(tenant(&app, host).await.text(), same, "{host}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_host_that_is_nobodys(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    insta::assert_snapshot!(tenant(&app, "nobody.apps.test").await.snapshot(), @r#"
    404 Not Found
    {
      "code": "no_such_tenant",
      "details": null,
      "hint": null,
      "message": "there is no tenant at this address"
    }
    "#);
    for host in [
        "apps.test",
        "x.alpha.apps.test",
        "alpha.apps.test.evil.test",
        "evilapps.test",
        "unproven.test",
        "alpha",
        "127.0.0.1:54330",
        "",
    ] {
        let answer = tenant(&app, host).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "no_such_tenant"),
            "{host}"
        );
    }
    assert_eq!(app.get("/v1/tenant").send().await.status, 404);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_request_with_two_hosts(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    let request = app.get("/v1/tenant").header("host", "alpha.apps.test");
    let answer = request.header("host", "beta.apps.test").send().await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    400 Bad Request
    {
      "code": "invalid_host",
      "details": null,
      "hint": null,
      "message": "the request must name one host, and name it as a host"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_that_is_cancelled_has_no_address(pool: PgPool) {
    let app = app(pool, at_once(), false).await;
    assert_eq!(tenant(&app, "alpha.apps.test").await.status, 200);
    sqlx::query("update public.tenants set status = 'cancelled' where id = $1")
        .bind(ALPHA)
        .execute(&app.pool)
        .await
        .unwrap();
    for host in ["alpha.apps.test", "desk.alpha.test"] {
        assert_eq!(tenant(&app, host).await.status, 404, "{host}");
    }
}

/// Both answers are kept, each for its own time.
#[sqlx::test(migrations = "../migrations")]
async fn an_answer_is_kept_for_a_while(pool: PgPool) {
    let pace = HostPace {
        tenant_for: Duration::from_secs(3600),
        nobody_for: Duration::ZERO,
    };
    let app = app(pool, pace, false).await;
    assert_eq!(tenant(&app, "alpha.apps.test").await.status, 200);
    assert_eq!(tenant(&app, "renamed.apps.test").await.status, 404);
    sqlx::query("update public.tenants set subdomain = 'renamed' where id = $1")
        .bind(ALPHA)
        .execute(&app.pool)
        .await
        .unwrap();
    let kept = tenant(&app, "alpha.apps.test").await.json();
    assert_eq!(kept["subdomain"], "alpha");
    let asked_again = tenant(&app, "renamed.apps.test").await.json();
    assert_eq!(asked_again["subdomain"], "renamed");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_forwarded_host_is_not_believed(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    let request = app.get("/v1/tenant").header("host", "beta.apps.test");
    let answer = request.header("x-forwarded-host", "alpha.apps.test");
    assert_eq!(answer.send().await.json()["subdomain"], "beta");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_forwarded_host_is_believed_of_a_trusted_proxy(pool: PgPool) {
    let app = app(pool, HostPace::default(), true).await;
    let request = app.get("/v1/tenant").header("host", "edge.internal:54330");
    let answer = request.header("x-forwarded-host", "alpha.apps.test");
    assert_eq!(answer.send().await.json()["subdomain"], "alpha");
    assert_eq!(tenant(&app, "alpha.apps.test").await.status, 200);
}

/// HTTP/1.1 names the host in a header, HTTP/2 in the address.
#[sqlx::test(migrations = "../migrations")]
async fn over_a_socket(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(server::serve(
        listener,
        app.router.clone(),
        app.stopping.clone(),
        Duration::from_secs(5),
    ));
    let url = format!("http://alpha.apps.test:{}/v1/tenant", address.port());
    let client = || {
        reqwest::Client::builder()
            .no_proxy()
            .resolve("alpha.apps.test", address)
    };
    for http in [client(), client().http2_prior_knowledge()] {
        let answer = http.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{:?}", answer.version());
    }
    app.stopping.cancel();
    serving.await.unwrap();
}
