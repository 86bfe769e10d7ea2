use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};

use crate::support::billing::{BACK, Shop};

#[sqlx::test(migrations = "../migrations")]
async fn the_portal_of_who_has_bought_something(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let body = json!({"return_url": BACK});
    let early = shop.ask("portal", ALPHA_OWNER, &body).await;
    assert_eq!(
        (early.status.as_u16(), &*early.code()),
        (409, "no_customer")
    );
    let subscription = shop.subscribed("professional").await;
    let open = shop.ask("portal", ALPHA_OWNER, &body).await;
    assert_eq!(open.status, 200, "{open:?}");
    let url = open.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://billing.stripe.com/"), "{url}");
    let asked = shop.stripe.posted("billing_portal").remove(0);
    assert_eq!(
        asked.parameter("customer"),
        subscription["customer"].as_str()
    );
    assert_eq!(asked.parameter("return_url"), Some(BACK));

    let elsewhere = shop
        .ask(
            "portal",
            ALPHA_OWNER,
            &json!({"return_url": "https://evil.test"}),
        )
        .await;
    assert_eq!(
        (elsewhere.status.as_u16(), &*elsewhere.code()),
        (400, "return_url_not_allowed")
    );
}

/// It is how a tenant that has not paid pays.
#[sqlx::test(migrations = "../migrations")]
async fn a_suspended_tenant_reaches_it(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let mut subscription = shop.subscribed("professional").await;
    subscription["status"] = json!("unpaid");
    shop.tell(&subscription).await;
    let status: String = sqlx::query_scalar("select status from public.tenants where id = $1")
        .bind(ALPHA)
        .fetch_one(&shop.app.pool)
        .await
        .unwrap();
    assert_eq!(status, "suspended");
    let open = shop
        .ask("portal", ALPHA_OWNER, &json!({"return_url": BACK}))
        .await;
    assert_eq!(open.status, 200, "{open:?}");
}
