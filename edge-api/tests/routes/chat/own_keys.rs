//! Tenants with keys of their own.

use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;
use vault::{KeyRing, Vault};

use super::{Gateway, Used, body, streamed};
use crate::support::providers;
use crate::support::upstream::OPERATORS_KEY;

const OWN: &str = "sk-of-alpha-itself-0000";

async fn own_keys(gateway: &Gateway) -> Vec<bool> {
    gateway.used().await;
    sqlx::query_scalar(
        "select own_key from public.usage where idempotency_key like 'call:%' order by created_at",
    )
    .fetch_all(&gateway.app.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_call_is_made_with_the_tenants_own_key_for_as_long_as_there_is_one(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    assert_eq!(gateway.ask(&body("plain")).await.status, 200);
    let set = providers::set(&gateway.app, ALPHA_OWNER, "openai", OWN).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(gateway.ask(&body("plain")).await.status, 200);
    // Of another provider, it changes nothing here.
    let set = providers::set(&gateway.app, ALPHA_OWNER, "gemini", OWN).await;
    assert_eq!(set.status, 200, "{set:?}");
    let path = "/v1/providers/openai?tenant_id=01900000-0000-7000-8000-00000000a000";
    let deleted = gateway
        .app
        .request("DELETE", path)
        .by(ALPHA_OWNER)
        .send()
        .await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert_eq!(gateway.ask(&body("plain")).await.status, 200);

    let operators = format!("Bearer {OPERATORS_KEY}");
    assert_eq!(
        gateway.upstream.journal.keys(),
        [operators.clone(), format!("Bearer {OWN}"), operators]
    );
    assert_eq!(own_keys(&gateway).await, [false, true, false]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_the_provider_does_not_take_is_the_tenants_to_change(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    providers::set(&gateway.app, ALPHA_OWNER, "openai", OWN).await;
    let refused = gateway.ask(&body("has-no-such-key")).await;
    insta::assert_snapshot!(refused.snapshot(), @r#"
    502 Bad Gateway
    {
      "code": "llm_authentication",
      "details": null,
      "error": {
        "code": "llm_authentication",
        "message": "the provider of this model does not take this tenant's own key; who holds providers.manage sets another: PUT /v1/providers/{provider}",
        "param": null,
        "type": "server_error"
      },
      "hint": "who holds providers.manage sets another: PUT /v1/providers/{provider}",
      "message": "the provider of this model does not take this tenant's own key"
    }
    "#);
    assert_eq!(gateway.used().await, Vec::<Used>::new());
    assert_eq!(gateway.tokens().await, (0, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_does_not_open_is_not_replaced_by_the_operators(pool: PgPool) {
    let gateway = Gateway::new(pool.clone()).await;
    providers::set(&gateway.app, ALPHA_OWNER, "openai", OWN).await;
    let without = gateway.and_another(pool.clone(), None).await;
    let answer = without.ask(&body("plain")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "secrets_not_configured".to_owned())
    );
    let with_another = gateway
        .and_another(pool, Some(Vault::new(KeyRing::of([9; 32]))))
        .await;
    let answer = with_another.ask(&streamed("plain")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (500, "internal".to_owned())
    );
    assert_eq!(gateway.upstream.journal.keys(), Vec::<String>::new());
    for one in [&without, &with_another] {
        assert_eq!(one.used().await, Vec::<Used>::new());
    }
    assert_eq!(gateway.tokens().await, (0, 0), "nothing stays set aside");
}
