//! A credential at somebody's address.

use edge_api::hosts::HostPace;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, BETA_OWNER};
use uuid::Uuid;

use crate::support::ApiKey;
use crate::support::hosts::app;

#[sqlx::test(migrations = "../migrations")]
async fn a_key_at_the_address_of_another_tenant(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    let id = app.start(ALPHA_OWNER).await;
    let path = format!("/v1/executions/{id}");
    let scopes = ["executions.read"];
    let key = ApiKey::create(&app.pool, ALPHA_OWNER, ALPHA, &scopes).await;
    let at = async |host: &str| {
        let request = app.get(&path).header("host", host).bearer(&key.key);
        request.send().await
    };
    for host in [
        "alpha.apps.test",
        "desk.alpha.test",
        "api.test",
        "127.0.0.1",
    ] {
        assert_eq!(at(host).await.status, 200, "{host}");
    }
    insta::assert_snapshot!(at("beta.apps.test").await.snapshot(), @r#"
    403 Forbidden
    {
      "code": "wrong_host",
      "details": null,
      "hint": "use the address of the key's own tenant, or the API's own",
      "message": "this API key belongs to another tenant than this address"
    }
    "#);

    key.revoke(&app.pool, ALPHA_OWNER).await;
    assert_eq!(at("beta.apps.test").await.status, 401);
}

/// People belong to many tenants; what they may is decided by row-level security, at any address.
#[sqlx::test(migrations = "../migrations")]
async fn a_person_is_held_to_no_address(pool: PgPool) {
    let app = app(pool, HostPace::default(), false).await;
    let id = app.start(ALPHA_OWNER).await;
    for (id, person, status) in [
        (id, ALPHA_OWNER, 200),
        (id, BETA_OWNER, 404),
        (Uuid::now_v7(), BETA_OWNER, 404),
    ] {
        let path = format!("/v1/executions/{id}");
        let request = app.get(&path).header("host", "beta.apps.test").by(person);
        assert_eq!(request.send().await.status, status);
    }
}
