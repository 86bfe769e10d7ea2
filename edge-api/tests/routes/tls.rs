use edge_api::hosts::HostPace;
use sqlx::PgPool;

use crate::support::hosts::app;
use crate::support::{Answer, TestApp};

async fn ask(app: &TestApp, query: &str) -> Answer {
    app.get(&format!("/tls/ask{query}")).send().await
}

#[sqlx::test(migrations = "../migrations")]
async fn yes_for_what_is_served(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    for domain in ["alpha.apps.test", "desk.alpha.test", "Desk.Alpha.Test."] {
        let answer = ask(&app, &format!("?domain={domain}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "yes"));
    }
}

/// A certificate is asked for by the way DNS is today, not as it was half a minute ago.
#[sqlx::test(migrations = "../migrations")]
async fn no_as_soon_as_it_is_not_served(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    assert_eq!(ask(&app, "?domain=desk.alpha.test").await.status, 200);
    sqlx::query("delete from public.tenant_domains where domain = 'desk.alpha.test'")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(ask(&app, "?domain=desk.alpha.test").await.status, 404);
}

#[sqlx::test(migrations = "../migrations")]
async fn no_for_anything_else(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    insta::assert_snapshot!(ask(&app, "?domain=evil.test").await.snapshot(), @r#"
    404 Not Found
    {
      "code": "domain_not_served",
      "details": null,
      "hint": "a tenant adds the domain and shows that it is theirs: rpc add_domain, check_domain",
      "message": "nothing is served at this domain"
    }
    "#);
    for domain in [
        "unproven.test",
        "nobody.apps.test",
        "x.alpha.apps.test",
        "test",
    ] {
        let answer = ask(&app, &format!("?domain={domain}")).await;
        assert_eq!(answer.status, 404, "{domain}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_no_domain(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    insta::assert_snapshot!(ask(&app, "?domain=10.0.0.1").await.snapshot(), @r#"
    400 Bad Request
    {
      "code": "invalid_domain",
      "details": null,
      "hint": null,
      "message": "domain must be a domain name in ASCII, such as app.example.com"
    }
    "#);
    for query in [
        "",
        "?domain=",
        "?name=alpha.apps.test",
        "?domain=*.apps.test",
        "?domain=b%C3%BCcher.test",
        "?domain=alpha.apps.test%00",
        "?domain=alpha.apps.test:443",
        "?domain=alpha.apps.test&domain=beta.apps.test",
    ] {
        assert_eq!(ask(&app, query).await.status, 400, "{query}");
    }
}
