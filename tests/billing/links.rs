//! Whose customer it is may be known late, by several signs, and by none that a stranger can set beside what is known.

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};

use crate::stage::{apply, ids, keep, outcome, session, set};
use crate::stripe::{CUSTOMER, ENTERPRISE, PROFESSIONAL, Stripe};

fn session_of(id: &str, customer: &str, tenant: uuid::Uuid) -> serde_json::Value {
    json!({"id": id, "object": "checkout.session", "customer": customer, "mode": "subscription", "status": "complete", "client_reference_id": tenant})
}

#[sqlx::test(migrations = "../migrations")]
async fn what_came_before_it_was_known_follows_then(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe.create(
        "customer.created",
        json!({"id": CUSTOMER, "object": "customer", "metadata": {}}),
    );
    stripe
        .subscription("sub_1", PROFESSIONAL, "active")
        .invoice("in_1", "sub_1", 4900);
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    let nobodys = outcome(&mut session).await;
    assert_eq!(
        (&nobodys["plan"], &nobodys["subscriptions"]),
        (&json!("starter"), &json!({}))
    );

    stripe.wait(1).create(
        "checkout.session.completed",
        session_of("cs_1", CUSTOMER, BETA),
    );
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[3..])).await;
    let betas = outcome(&mut session).await;
    assert_eq!(
        (&betas["plan"], &betas["invoices"]["in_1"]["total"]),
        (&json!("professional"), &json!(4900))
    );

    // The operator's own word is stronger, and moves everything.
    stripe.wait(1).update(
        "customer.updated",
        CUSTOMER,
        json!({"metadata": {"tenant_id": ALPHA}}),
    );
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[4..])).await;
    let moved = outcome(&mut session).await;
    assert_eq!(moved["plan"], "starter", "what Beta had before");
    assert_eq!(
        (&moved["subscriptions"], &moved["invoices"]),
        (&json!({}), &json!({}))
    );
    let owners: Vec<uuid::Uuid> = sqlx::query_scalar("select tenant_id from public.subscriptions union all select tenant_id from public.invoices")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(owners, [ALPHA, ALPHA]);

    // And what we have linked ourselves is the last word.
    sqlx::query("select billing.link_customer($1, $2)")
        .bind(BETA)
        .bind(CUSTOMER)
        .execute(&pool)
        .await
        .unwrap();
    apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(outcome(&mut session).await["plan"], "professional");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_stranger_puts_nothing_beside_what_a_tenant_pays_for(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let mut theirs = stripe.objects["sub_1"].clone();
    for (name, value) in [
        ("id", json!("sub_2")),
        ("customer", json!("cus_2")),
        ("items", stripe.items(ENTERPRISE, 1, 2)),
    ] {
        theirs[name] = value;
    }
    // A payment link takes any client_reference_id.
    stripe
        .wait(5)
        .create("customer.subscription.created", theirs);
    stripe.create(
        "checkout.session.completed",
        session_of("cs_2", "cus_2", BETA),
    );
    stripe
        .wait(5)
        .delete("customer.subscription.deleted", "sub_2");
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    for event in ids(&stripe.events) {
        apply(&mut session, &[event]).await;
    }
    let outcome = outcome(&mut session).await;
    assert_eq!(outcome["plan"], "professional");
    assert_eq!(outcome["subscriptions"].as_object().unwrap().len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn connected_accounts_are_mirrored_and_decide_nothing(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", ENTERPRISE, "active");
    for event in &mut stripe.events {
        event["account"] = json!("acct_1");
    }
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    let outcome = outcome(&mut session).await;
    assert_eq!(
        (&outcome["plan"], &outcome["subscriptions"]),
        (&json!("starter"), &json!({}))
    );
    assert_eq!(outcome["objects"].as_object().unwrap().len(), 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_price_that_becomes_a_plans_decides_then(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", "price_new", "active");
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(
        outcome(&mut session).await["plan"],
        "starter",
        "it keeps what it has"
    );
    sqlx::raw_sql("update public.subscription_plans set stripe_price_yearly = 'price_new' where key = 'enterprise'; select billing.sweep(10);")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(outcome(&mut session).await["plan"], "enterprise");
    // It is sold at another price from now on, and whoever pays the old one keeps the plan.
    sqlx::raw_sql("update public.subscription_plans set stripe_price_yearly = 'price_newer' where key = 'enterprise'; select billing.sweep(10);")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(outcome(&mut session).await["plan"], "enterprise");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_plan_that_has_gone_is_not_given_back(pool: PgPool) {
    set(&pool).await;
    sqlx::query(
        "with legacy as (
           insert into public.subscription_plans (key, name, price_monthly, price_yearly, limits)
           select 'legacy', 'Legacy', 0, 0, limits from public.subscription_plans where key = 'starter' returning id)
         update public.tenants t set plan_id = legacy.id from legacy where t.id = $1",
    )
    .bind(BETA)
    .execute(&pool)
    .await
    .unwrap();
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    sqlx::query("delete from public.subscription_plans where key = 'legacy'")
        .execute(&pool)
        .await
        .unwrap();

    stripe.wait(1).update(
        "customer.updated",
        CUSTOMER,
        json!({"metadata": {"tenant_id": ALPHA}}),
    );
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events[2..])).await;
    assert_eq!(outcome(&mut session).await["plan"], "starter");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_that_goes_takes_the_mirror_along(pool: PgPool) {
    set(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active")
        .invoice("in_1", "sub_1", 4900);
    let mut session = session(&pool).await;
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    sqlx::query("delete from public.tenants where id = $1")
        .bind(BETA)
        .execute(&pool)
        .await
        .unwrap();
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from billing.objects) + (select count(*) from billing.customers) + (select count(*) from billing.accounts)
              + (select count(*) from public.subscriptions) + (select count(*) from public.invoices)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
}
