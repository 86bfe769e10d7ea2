//! Stripe is away, has enough of us, or does not want to.

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use tests::stripe::{Fault, Stripe};

use crate::support::TestApp;
use crate::support::billing::{Shop, api, return_urls, sell, wanted};

fn fault(path: &'static str, status: u16, headers: Vec<(&'static str, String)>) -> Fault {
    Fault {
        path,
        status,
        code: "",
        headers,
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_passes_is_tried_again_and_done_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for status in [429, 500] {
        shop.stripe.fail(fault("customers", status, vec![]));
        shop.stripe.fail(fault("checkout", status, vec![]));
    }
    let answer = shop.checkout(wanted("professional")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (shop.count("customer"), shop.count("checkout.session")),
        (1, 1)
    );
    // All tries of one thing have one key.
    let sessions = shop.stripe.posted("checkout/sessions");
    assert_eq!(
        sessions
            .iter()
            .map(|asked| asked.status)
            .collect::<Vec<_>>(),
        [429, 500, 200]
    );
    assert!(sessions.iter().all(|asked| asked.key == sessions[0].key));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_says_of_repeating_is_heeded(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.stripe.fail(fault(
        "customers",
        500,
        vec![("stripe-should-retry", "false".to_owned())],
    ));
    let answer = shop.checkout(wanted("professional")).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (503, "stripe_unavailable")
    );
    assert_eq!(shop.stripe.posted("customers").len(), 1);

    // Longer than anybody should wait for here: it is passed on.
    shop.stripe.fail(fault(
        "customers",
        429,
        vec![("retry-after", "30".to_owned())],
    ));
    let answer = shop.checkout(wanted("professional")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, Some("30"))
    );
    assert_eq!(shop.stripe.posted("customers").len(), 2);
    assert_eq!(shop.count("customer"), 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn stripe_is_away(pool: PgPool) {
    let gone = Stripe::start().await;
    let url = gone.url.clone();
    drop(gone);
    let app = TestApp::with(pool, |configuration| {
        configuration.stripe_api = Some(api(&url, "sk_test_hush"));
        configuration.return_urls = return_urls();
    })
    .await;
    sell(&app.pool, &Stripe::start().await).await;
    let path = format!("/v1/billing/checkout?tenant_id={ALPHA}");
    let answer = app
        .post(&path)
        .by(ALPHA_OWNER)
        .json(&wanted("professional"))
        .send()
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    503 Service Unavailable
    retry-after: 5
    {
      "code": "stripe_unavailable",
      "details": null,
      "hint": "try again after the time in Retry-After; nothing happens twice",
      "message": "Stripe cannot do this at the moment"
    }
    "#);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_stripe_does_not_take_is_told_to_nobody(pool: PgPool) {
    let stripe = Stripe::start().await;
    let app = TestApp::with(pool, |configuration| {
        configuration.stripe_api = Some(api(&stripe.url, "sk_test_hush"));
        configuration.return_urls = return_urls();
    })
    .await;
    sell(&app.pool, &stripe).await;
    let path = format!("/v1/billing/checkout?tenant_id={ALPHA}");
    let answer = app
        .post(&path)
        .by(ALPHA_OWNER)
        .json(&wanted("professional"))
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (502, "stripe_refused")
    );
    assert!(!answer.text().contains("hush"), "{}", answer.text());
    assert_eq!(stripe.asked().len(), 1, "it would be the same again");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_payment_that_fails_changes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let subscription = shop.subscribed("professional").await;
    shop.stripe.account().declines = true;
    let answer = shop
        .change(json!({"action": "change_plan", "plan": "enterprise"}))
        .await;
    insta::assert_snapshot!(answer.snapshot(), @r#"
    402 Payment Required
    {
      "code": "payment_failed",
      "details": "card_declined",
      "hint": "set another way to pay in the customer portal, and try again: POST /v1/billing/portal",
      "message": "Your card was declined."
    }
    "#);
    assert_eq!(
        shop.stripe.object(subscription["id"].as_str().unwrap()),
        subscription
    );
}
