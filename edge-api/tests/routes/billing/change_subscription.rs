use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::Answer;
use crate::support::billing::Shop;

struct Subscribed {
    shop: Shop,
    id: String,
}

impl Subscribed {
    async fn to(pool: PgPool, plan: &str) -> Self {
        let shop = Shop::open(pool).await;
        let subscription = shop.subscribed(plan).await;
        let id = subscription["id"].as_str().unwrap().to_owned();
        Self { shop, id }
    }

    async fn done(&self, change: Value) -> Value {
        let answer = self.shop.change(change).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn now(&self) -> Value {
        self.shop.stripe.object(&self.id)
    }

    fn price(&self) -> Value {
        self.now()["items"]["data"][0]["price"]["id"].clone()
    }

    /// What was changed in Stripe since it began.
    fn changes(&self) -> usize {
        self.shop.stripe.posted("subscription").len()
    }
}

fn to(plan: &str) -> Value {
    json!({"action": "change_plan", "plan": plan})
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[sqlx::test(migrations = "../migrations")]
async fn a_dearer_plan_begins_at_once_and_is_paid(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    let row = subscribed.done(to("enterprise")).await;
    assert_eq!(
        (&row["plan"], &row["next_plan"], &row["status"]),
        (&json!("enterprise"), &Value::Null, &json!("active"))
    );
    assert_eq!(subscribed.price(), "price_enterprise");
    let asked = subscribed.shop.stripe.posted("subscriptions").remove(0);
    assert_eq!(
        asked.parameter("proration_behavior"),
        Some("always_invoice")
    );
    assert_eq!(
        asked.parameter("payment_behavior"),
        Some("error_if_incomplete")
    );
    assert_eq!(subscribed.shop.count("invoice"), 1);
    // Stripe is asked how it is now, however late its event is.
    let is_due: bool =
        sqlx::query_scalar("select fetch_at <= now() from billing.objects where id = $1")
            .bind(&subscribed.id)
            .fetch_one(&subscribed.shop.app.pool)
            .await
            .unwrap();
    assert!(is_due);
    let told: Value = sqlx::query_scalar("select after from audit.inbox where tenant_id = $1 and action = 'billing.subscription_changed'").bind(ALPHA).fetch_one(&subscribed.shop.app.pool).await.unwrap();
    assert_eq!(
        told,
        json!({"action": "change_plan", "plan": "enterprise", "interval": "month", "seats": null})
    );

    // Once more, it is so already.
    let before = subscribed.changes();
    assert_eq!(subscribed.done(to("enterprise")).await, row);
    assert_eq!(subscribed.changes(), before);
}

#[sqlx::test(migrations = "../migrations")]
async fn clicked_many_times_at_once_it_is_paid_once(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    subscribed.shop.stripe.account().takes = std::time::Duration::from_millis(50);
    let clicks = join_all((0..8).map(|_| subscribed.done(to("enterprise")))).await;
    assert!(clicks.iter().all(|row| row["plan"] == "enterprise"));
    assert!(subscribed.changes() > 1, "they did not come at once");
    assert_eq!(subscribed.shop.count("invoice"), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_longer_interval_begins_at_once_and_a_shorter_one_later(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    let yearly = json!({"action": "change_plan", "plan": "professional", "interval": "year"});
    assert_eq!(subscribed.done(yearly).await["interval"], "year");
    let row = subscribed.done(to("professional")).await;
    assert_eq!(
        (&row["interval"], &row["next_plan"]),
        (&json!("year"), &json!("professional"))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_cheaper_plan_begins_when_the_period_ends(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "enterprise").await;
    let row = subscribed.done(to("professional")).await;
    assert_eq!(
        (&row["plan"], &row["next_plan"], &row["next_seats"]),
        (&json!("enterprise"), &json!("professional"), &json!(1))
    );
    assert_eq!(subscribed.price(), "price_enterprise");
    let before = subscribed.changes();
    assert_eq!(
        subscribed.done(to("professional")).await,
        row,
        "twice is once"
    );
    assert_eq!(subscribed.changes(), before);
    // Whatever becomes of us until then.
    subscribed.shop.stripe.end_period(&subscribed.id);
    assert_eq!(subscribed.price(), "price_professional");
    // The schedule is still there, and is in nobody's way.
    assert_eq!(
        subscribed.done(json!({"action": "cancel"})).await["cancel_at_period_end"],
        true
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn who_asks_for_a_cheaper_plan_at_once_and_twice_has_one_schedule(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "enterprise").await;
    subscribed.shop.stripe.account().takes = std::time::Duration::from_millis(50);
    let clicks = join_all((0..5).map(|_| subscribed.done(to("professional")))).await;
    assert!(
        clicks.iter().all(|row| row["next_plan"] == "professional"),
        "{clicks:?}"
    );
    assert_eq!(subscribed.shop.count("subscription_schedule"), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_waits_is_withdrawn_by_what_is_asked_later(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "enterprise").await;
    for withdrawn_by in [
        json!({"action": "resume"}),
        to("enterprise"),
        json!({"action": "cancel"}),
    ] {
        assert_eq!(
            subscribed.done(to("professional")).await["next_plan"],
            "professional"
        );
        let row = subscribed.done(withdrawn_by.clone()).await;
        assert_eq!(row["next_plan"], Value::Null, "{withdrawn_by}");
        assert_eq!(subscribed.now()["schedule"], Value::Null);
        assert_eq!(
            row["cancel_at_period_end"],
            withdrawn_by["action"] == "cancel"
        );
    }
    let refused = subscribed.shop.change(to("professional")).await;
    assert_eq!(refusal(&refused), (409, "subscription_ends".to_owned()));
    subscribed.done(json!({"action": "resume"})).await;
    subscribed.shop.stripe.end_period(&subscribed.id);
    assert_eq!(subscribed.price(), "price_enterprise");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_promotion_goes_on_with_a_cheaper_plan(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "enterprise").await;
    subscribed
        .shop
        .stripe
        .account()
        .objects
        .get_mut(&subscribed.id)
        .unwrap()["discounts"] = json!(["di_1"]);
    subscribed.done(to("professional")).await;
    let schedule = subscribed
        .shop
        .stripe
        .all("subscription_schedule")
        .remove(0);
    for phase in schedule["phases"].as_array().unwrap() {
        assert_eq!(phase["discounts"][0]["discount"], "di_1", "{phase}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn it_ends_when_the_period_does_unless_it_is_resumed(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    let cancel = json!({"action": "cancel"});
    let ends = subscribed.done(cancel.clone()).await;
    assert_eq!(
        (&ends["cancel_at_period_end"], &ends["status"]),
        (&json!(true), &json!("active"))
    );
    assert_eq!(subscribed.done(cancel.clone()).await, ends);
    assert_eq!(subscribed.changes(), 1);
    let goes_on = subscribed.done(json!({"action": "resume"})).await;
    assert_eq!(goes_on["cancel_at_period_end"], false);
    subscribed.done(json!({"action": "resume"})).await;
    assert_eq!(subscribed.changes(), 2);
    subscribed.done(cancel.clone()).await;
    subscribed.shop.stripe.end_period(&subscribed.id);
    // It has ended in Stripe, and nothing was told.
    let late = subscribed.shop.change(json!({"action": "resume"})).await;
    assert_eq!(refusal(&late), (409, "no_subscription".to_owned()));
}

#[sqlx::test(migrations = "../migrations")]
async fn in_a_trial_nothing_is_paid_and_nothing_waits(pool: PgPool) {
    let shop = Shop::open(pool).await;
    sqlx::query("update public.subscription_plans set trial_days = 7")
        .execute(&shop.app.pool)
        .await
        .unwrap();
    let id = shop.subscribed("enterprise").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let subscribed = Subscribed { shop, id };
    let row = subscribed.done(to("professional")).await;
    assert_eq!(
        (&row["plan"], &row["status"], &row["next_plan"]),
        (&json!("professional"), &json!("trialing"), &Value::Null)
    );
    subscribed.done(to("enterprise")).await;
    assert_eq!(subscribed.shop.count("invoice"), 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn seats(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    let take = |seats: i64| json!({"action": "change_seats", "seats": seats});
    assert_eq!(
        refusal(&subscribed.shop.change(take(9)).await),
        (400, "plan_has_no_seats".to_owned())
    );
    sqlx::query("update public.subscription_plans set is_per_seat = true")
        .execute(&subscribed.shop.app.pool)
        .await
        .unwrap();
    let members: i64 =
        sqlx::query_scalar("select count(*) from public.memberships where tenant_id = $1")
            .bind(ALPHA)
            .fetch_one(&subscribed.shop.app.pool)
            .await
            .unwrap();
    assert_eq!(
        refusal(&subscribed.shop.change(take(members - 1)).await),
        (409, "too_few_seats".to_owned())
    );
    assert_eq!(
        subscribed.done(take(members + 3)).await["seats"],
        members + 3
    );
    assert_eq!(subscribed.shop.count("invoice"), 1, "more are paid now");
    assert_eq!(subscribed.done(take(members)).await["seats"], members);
    assert_eq!(
        subscribed.shop.count("invoice"),
        1,
        "fewer are credited later"
    );
    // A dearer plan has them, too.
    assert_eq!(subscribed.done(to("enterprise")).await["seats"], members);
    subscribed.done(to("professional")).await;
    assert_eq!(
        refusal(&subscribed.shop.change(take(members + 1)).await),
        (409, "change_waits".to_owned())
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_open_is_paid_first(pool: PgPool) {
    let subscribed = Subscribed::to(pool, "professional").await;
    subscribed
        .shop
        .stripe
        .account()
        .objects
        .get_mut(&subscribed.id)
        .unwrap()["status"] = json!("past_due");
    assert_eq!(
        refusal(&subscribed.shop.change(to("enterprise")).await),
        (409, "payment_due".to_owned())
    );
    assert_eq!(
        subscribed.done(json!({"action": "cancel"})).await["cancel_at_period_end"],
        true
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn who_has_none_cannot_change_it(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_eq!(
        refusal(&shop.change(to("enterprise")).await),
        (409, "no_subscription".to_owned())
    );
    for body in [
        json!({"action": "delete"}),
        json!({}),
        json!({"action": "cancel", "now": true}),
    ] {
        assert_eq!(
            refusal(&shop.change(body.clone()).await),
            (400, "invalid_body".to_owned()),
            "{body}"
        );
    }
    assert!(shop.stripe.asked().is_empty());
}
