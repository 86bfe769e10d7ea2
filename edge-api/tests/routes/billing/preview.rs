use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER, BETA_OWNER};

use crate::support::TestApp;

/// Alpha has subscribed to a plan that somebody has given a name which is none.
async fn subscribed(pool: PgPool) -> TestApp {
    let app = TestApp::new(pool).await;
    let created = 1_700_000_000;
    let told = [
        json!({"id": "evt_1", "object": "event", "type": "customer.created", "created": created, "livemode": false,
               "data": {"object": {"id": "cus_1", "object": "customer", "metadata": {"tenant_id": ALPHA}}}}),
        json!({"id": "evt_2", "object": "event", "type": "customer.subscription.created", "created": created, "livemode": false,
               "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "created": created, "currency": "eur",
                 "items": {"data": [{"price": {"id": "price_1"}, "quantity": 2, "current_period_start": created, "current_period_end": created + 86_400}]}}}}),
    ];
    let bodies: Vec<String> = told.iter().map(ToString::to_string).collect();
    sqlx::raw_sql(
        "update public.subscription_plans set stripe_price_monthly = 'price_1', name = '<script>alert(1)</script>' where key = 'professional'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("select edge.keep_stripe_events($1)")
        .bind(bodies)
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::raw_sql("select billing.apply_events(100, false)")
        .execute(&app.pool)
        .await
        .unwrap();
    app
}

fn path() -> String {
    format!("/v1/billing/preview?tenant_id={ALPHA}")
}

#[sqlx::test(migrations = "../migrations")]
async fn as_json_it_is_what_the_rpc_says(pool: PgPool) {
    let app = subscribed(pool).await;
    let answer = app.get(&path()).by(ALPHA_OWNER).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.header("vary"), Some("Accept"));
    let preview = answer.json();
    assert_eq!(
        (
            &preview["currency"],
            &preview["total_before_tax"],
            &preview["lines"][0]["quantity"]
        ),
        (&json!("eur"), &json!(9_800), &json!(2))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn as_a_page_it_can_be_read_and_runs_nothing(pool: PgPool) {
    let app = subscribed(pool).await;
    let answer = app
        .get(&path())
        .by(ALPHA_OWNER)
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .send()
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text();
    assert!(page.contains("98.00 EUR"), "{page}");
    assert!(page.contains("Total before tax"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}

#[sqlx::test(migrations = "../migrations")]
async fn who_may_not_see_it_is_told_so_and_a_stranger_nothing(pool: PgPool) {
    let app = subscribed(pool).await;
    let viewer = app.get(&path()).by(ALPHA_VIEWER).send().await;
    insta::assert_snapshot!(viewer.snapshot(), @r#"
    403 Forbidden
    {
      "code": "forbidden",
      "details": null,
      "hint": "ask for the permission billing.read",
      "message": "your role may not do this"
    }
    "#);
    let stranger = app.get(&path()).by(BETA_OWNER).send().await;
    assert_eq!(stranger.status, 404);
}
