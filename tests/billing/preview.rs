//! What an open period comes to: the plan, what is over what it includes, and nothing in a trial.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};
use uuid::Uuid;

use crate::marketplace::shop::{publish_of, use_once};
use crate::meters::{call, count, events, hour, subscribed};
use crate::stage::{apply, ids, keep};

async fn preview(pool: &PgPool, tenant: Uuid) -> Value {
    sqlx::query_scalar("select billing.invoice_preview($1)")
        .bind(tenant)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn price(pool: &PgPool, meter: &str, unit_amount: &str, included: i64) {
    sqlx::query(
        "insert into billing.meter_prices (plan_id, meter, unit_amount, included)
         select id, $1, $2::numeric, $3 from public.subscription_plans where key = 'professional'
         on conflict (plan_id, meter) do update set unit_amount = excluded.unit_amount, included = excluded.included",
    )
    .bind(meter)
    .bind(unit_amount)
    .bind(included)
    .execute(pool)
    .await
    .unwrap();
}

fn line<'a>(preview: &'a Value, meter: &str) -> &'a Value {
    let lines = preview["lines"].as_array().unwrap();
    lines.iter().find(|line| line["meter"] == meter).unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_open_period_is_priced_line_by_line(pool: PgPool) {
    let start = subscribed(&pool, 30).await.second;
    price(&pool, "llm_tokens", "0.5", 100).await;
    call(&pool, start, 70).await;
    count(&mut pool.acquire().await.unwrap()).await;
    // Of hours that are counted, and of this one, which is not over.
    let counted = preview(&pool, ALPHA).await;
    call(&pool, hour(&pool, 0).await, 61).await;
    let all = preview(&pool, ALPHA).await;

    assert_eq!(
        (
            &counted["lines"][0]["kind"],
            &counted["lines"][0]["unit_amount"],
            &counted["lines"][0]["interval"]
        ),
        (&json!("plan"), &json!(4_900), &json!("month"))
    );
    let tokens = line(&counted, "llm_tokens");
    assert_eq!(
        (&tokens["used"], &tokens["billable"], &tokens["amount"]),
        (&json!(70), &json!(0), &json!(0))
    );
    let tokens = line(&all, "llm_tokens");
    // 31 of them at half a cent are 15.5, and that is 16.
    assert_eq!(
        (&tokens["used"], &tokens["billable"], &tokens["amount"]),
        (&json!(131), &json!(31), &json!(16))
    );
    assert_eq!(
        (&all["subtotal"], &all["total_before_tax"], &all["tax"]),
        (&json!(4_916), &json!(4_916), &Value::Null)
    );
    assert_eq!(all["currency"], "usd");
    // What has no price on this plan is not on its invoice.
    assert!(
        all["lines"]
            .as_array()
            .unwrap()
            .iter()
            .all(|line| line["meter"] != "executions")
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn uses_of_listings_have_a_meter_of_their_currency_and_lines_of_their_own(pool: PgPool) {
    let start = subscribed(&pool, 30).await.second;
    let mut session = pool.acquire().await.unwrap();
    let agent: Uuid = sqlx::query_scalar(
        "insert into public.ai_agents (tenant_id, name, slug, model) values ($1, 'Writer', 'writer', 'openai/gpt-4o-mini') returning id",
    )
    .bind(BETA)
    .fetch_one(&pool)
    .await
    .unwrap();
    for (slug, amount, currency) in [("in-dollars", 70, "usd"), ("in-yen", 900, "jpy")] {
        let price = ("per_use", amount, currency, None);
        let listing = publish_of(&mut session, (BETA, agent), slug, price).await;
        sqlx::query(
            "with bought as (
               insert into public.purchases (tenant_id, listing_id, slug, title, price_kind, amount, currency, state)
               select $1, l.id, l.slug, l.title, l.price_kind, l.amount, l.currency, 'active' from public.listings l where l.id = $2
               returning tenant_id, id
             ) insert into billing.sales (tenant_id, purchase_id, seller_id, fee_basis_points) select b.tenant_id, b.id, $3, 1500 from bought b",
        )
        .bind(ALPHA)
        .bind(listing)
        .bind(BETA)
        .execute(&pool)
        .await
        .unwrap();
        for number in 0..3 {
            use_once(&mut session, ALPHA, listing, &format!("{slug} {number}"))
                .await
                .unwrap();
        }
    }
    sqlx::raw_sql(
        "update billing.meters set event_name = key, since = now() - interval '2 days' where line = 'marketplace';
         -- The first use was a while ago, and a part of it was taken off before its hour was counted.
         update public.marketplace_charges set created_at = now() - interval '5 hours' where usage_key like 'in-dollars 0%';
         select billing.refund_charge(c.tenant_id, c.id, 30, 'a complaint') from public.marketplace_charges c where c.usage_key like 'in-dollars 0%'",
    )
    .execute(&pool)
    .await
    .unwrap();
    count(&mut session).await;
    let told = events(&pool, "marketplace_usd", start).await;
    assert_eq!(told.iter().map(|event| event.2).collect::<Vec<_>>(), [40]);
    let all = preview(&pool, ALPHA).await;
    let charges = line(&all, "marketplace_usd");
    assert_eq!(
        (&charges["kind"], &charges["used"], &charges["amount"]),
        (&json!("marketplace"), &json!(180), &json!(180))
    );
    // What is sold in another currency is on no invoice of this one.
    let lines = all["lines"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["meter"] != "marketplace_jpy"));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_yearly_plan_is_as_it_was_bought_and_a_trial_is_free(pool: PgPool) {
    let mut stripe = subscribed(&pool, 30).await;
    price(&pool, "llm_tokens", "1", 0).await;
    call(&pool, stripe.second, 5).await;
    count(&mut pool.acquire().await.unwrap()).await;
    let mut items = stripe.objects["sub_1"]["items"].clone();
    items["data"][0]["quantity"] = json!(3);
    items["data"][0]["price"] = json!({"id": crate::stripe::PROFESSIONAL, "object": "price", "unit_amount": 40_000, "unit_amount_decimal": "40000", "recurring": {"interval": "year"}});
    stripe.wait(60).change("sub_1", json!({"items": items}));
    let mut session = pool.acquire().await.unwrap();
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    let yearly = preview(&pool, ALPHA).await;
    let plan = &yearly["lines"][0];
    assert_eq!(
        (&plan["interval"], &plan["quantity"], &plan["amount"]),
        (&json!("year"), &json!(3), &json!(120_000))
    );
    assert_eq!(yearly["subtotal"], 120_005);

    let trial_end = stripe.second + 86_400;
    stripe.wait(60).change(
        "sub_1",
        json!({"status": "trialing", "trial_end": trial_end}),
    );
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    let trial = preview(&pool, ALPHA).await;
    assert_eq!(trial["subtotal"], 0);
    assert_eq!(line(&trial, "llm_tokens")["billable"], 5);
    assert_eq!(trial["lines"][0]["is_trial"], true);
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_subscription_there_is_nothing(pool: PgPool) {
    subscribed(&pool, 30).await;
    let nothing = preview(&pool, BETA).await;
    assert_eq!(
        (
            &nothing["lines"],
            &nothing["total_before_tax"],
            &nothing["subscription"]
        ),
        (&json!([]), &json!(0), &Value::Null)
    );
}
