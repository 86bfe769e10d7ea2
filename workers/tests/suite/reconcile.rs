//! What Stripe lists is compared with the mirror, whoever dies meanwhile.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::BETA;
use tests::stripe::{Fault, KEY, Stripe};
use uuid::Uuid;
use workers::stripe::StripeSettings;

use crate::support::{Stage, Worker};

const BEGAN: i64 = 1_760_000_000;

fn start(stage: &Stage, stripe: &Stripe) -> Worker {
    let base = stripe.url.clone();
    Worker::start_with(stage, &[], |config| {
        let settings = StripeSettings::read(|name| {
            Some(match name {
                "STRIPE_API_BASE" => base.clone(),
                _ => KEY.to_owned(),
            })
        });
        config.stripe = settings.unwrap_or_else(|error| panic!("{error}"));
    })
}

fn customer(id: &str) -> Value {
    json!({"id": id, "object": "customer", "created": BEGAN, "livemode": false, "metadata": {"tenant_id": BETA}})
}

fn subscription(status: &str) -> Value {
    let item = json!({"id": "si_1", "quantity": 1, "price": {"id": "price_1"}, "current_period_start": BEGAN, "current_period_end": BEGAN + 86_400});
    json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "created": BEGAN, "livemode": false, "currency": "usd",
        "cancel_at_period_end": false, "metadata": {}, "items": {"data": [item]}})
}

fn has(stripe: &Stripe, objects: impl IntoIterator<Item = Value>) {
    let mut account = stripe.account();
    for object in objects {
        let id = object["id"].as_str().unwrap().to_owned();
        account.objects.insert(id, object);
    }
}

/// The mirror has it, as some event of long ago told.
async fn mirrors(stage: &Stage, objects: impl IntoIterator<Item = Value>) {
    for object in objects {
        sqlx::query(
            "insert into billing.objects (kind, id, livemode, customer, data, seen)
             values ($1 ->> 'object', $1 ->> 'id', false, coalesce($1 ->> 'customer', $1 ->> 'id'), $1, array[(false, $2, 'evt_1')::billing.sighting])",
        )
        .bind(object)
        .bind(BEGAN)
        .execute(&stage.pool)
        .await
        .unwrap();
    }
}

async fn reconcile(stage: &Stage) -> i64 {
    sqlx::query_scalar("select billing.reconcile()")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

/// All that the newest run found is asked about.
const MENDED: &str = "select state = 'done' and mended = unknown + different + not_listed from billing.reconciliation_report where $1 <> gen_random_uuid() limit 1";

async fn report(stage: &Stage) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object('listed', listed, 'unknown', unknown, 'different', different, 'not_listed', not_listed, 'unreadable', unreadable)
           from billing.reconciliation_report limit 1",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn what_no_event_told_is_found_and_mended(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    sqlx::raw_sql("update public.subscription_plans set stripe_price_monthly = 'price_1' where key = 'enterprise'")
        .execute(&pool)
        .await
        .unwrap();
    let stripe = Stripe::start().await;
    let broken = json!({"id": "in_1", "object": "invoice", "created": 4_000_000_000_i64, "status": "of the future"});
    has(&stripe, [customer("cus_1"), subscription("active"), broken]);
    let same = json!({"id": "prod_1", "object": "product", "created": BEGAN, "livemode": false});
    has(&stripe, [same.clone()]);
    mirrors(
        &stage,
        [subscription("canceled"), customer("cus_gone"), same],
    )
    .await;
    reconcile(&stage).await;
    let worker = start(&stage, &stripe);
    assert!(stage.becomes_true(MENDED, Uuid::nil()).await);
    assert_eq!(
        report(&stage).await,
        json!({"listed": 4, "unknown": 1, "different": 1, "not_listed": 1, "unreadable": 1})
    );
    let plan = "select p.key = 'enterprise' from public.tenants t join public.subscription_plans p on p.id = t.plan_id where t.id = $1";
    assert!(stage.becomes_true(plan, BETA).await);
    let gone: Vec<String> = sqlx::query_scalar("select id from billing.objects where is_deleted")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(gone, ["cus_gone"]);

    // Now they are the same.
    reconcile(&stage).await;
    let both = "select count(*) = 2 from billing.reconciliations where state = 'done' and $1 <> gen_random_uuid()";
    assert!(stage.becomes_true(both, Uuid::nil()).await);
    worker.stop().await;
    assert_eq!(
        report(&stage).await,
        json!({"listed": 4, "unknown": 0, "different": 0, "not_listed": 0, "unreadable": 1})
    );
}

/// A run begins by itself, reads page by page, waits when Stripe says so, and does not begin again before its time.
#[sqlx::test(migrations = "../migrations")]
async fn it_comes_by_itself_page_by_page_and_waits_when_it_is_told_to(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let stripe = Stripe::start().await;
    has(
        &stripe,
        (0..250).map(|number| {
            let mut customer = customer(&format!("cus_{number}"));
            customer["created"] = json!(BEGAN + number);
            customer
        }),
    );
    stripe.fail(Fault {
        path: "customers",
        status: 429,
        code: "rate_limit",
        headers: vec![("retry-after", "1".to_owned())],
    });
    let worker = start(&stage, &stripe);
    assert!(stage.becomes_true("select count(*) = 250 from billing.objects where kind = 'customer' and $1 <> gen_random_uuid()", Uuid::nil()).await);
    assert!(
        stage
            .becomes_true(
                "select state = 'done' from billing.reconciliations where $1 <> gen_random_uuid()",
                Uuid::nil()
            )
            .await
    );
    worker.stop().await;
    let pages: Vec<(u16, Option<String>)> = stripe
        .asked()
        .iter()
        .filter(|asked| asked.path == "customers")
        .map(|asked| {
            (
                asked.status,
                asked.parameter("starting_after").map(str::to_owned),
            )
        })
        .collect();
    let after = |number: u32| Some(format!("cus_{number}"));
    assert_eq!(
        pages,
        [
            (429, None),
            (200, None),
            (200, after(150)),
            (200, after(50))
        ]
    );
    let is_refused = stripe
        .asked()
        .iter()
        .any(|asked| asked.status >= 400 && asked.status != 429);
    assert!(!is_refused, "{:?}", stripe.asked());
    let next: Option<i64> =
        sqlx::query_scalar("select run from billing.claim_reconciliation(false, '1 minute')")
            .fetch_optional(&pool)
            .await
            .unwrap();
    assert_eq!(next, None, "a day has not passed");
}

#[sqlx::test(migrations = "../migrations")]
async fn who_dies_in_the_middle_is_followed_from_there(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let stripe = Stripe::start().await;
    has(
        &stripe,
        (0..150).map(|number| {
            let mut customer = customer(&format!("cus_{number}"));
            customer["created"] = json!(BEGAN + number);
            customer
        }),
    );
    reconcile(&stage).await;
    let claim = async || -> Option<(i64, i64, Option<String>)> {
        sqlx::query_as(
            "select run, token, after from billing.claim_reconciliation(false, '1 minute')",
        )
        .fetch_optional(&pool)
        .await
        .unwrap()
    };
    let record = async |run: i64, token: i64, objects: Vec<Value>| -> bool {
        sqlx::query_scalar("select billing.record_reconciled($1, $2, $3, true)")
            .bind(run)
            .bind(token)
            .bind(Value::Array(objects))
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let first: Vec<Value> = (50..150)
        .rev()
        .map(|number| stripe.object(&format!("cus_{number}")))
        .collect();
    let (run, token, after) = claim().await.unwrap();
    assert_eq!((after, claim().await), (None, None), "one at a time");
    assert!(record(run, token, first.clone()).await);
    // It takes the next page, and is killed.
    let (_, lost, after) = claim().await.unwrap();
    assert_eq!(after.as_deref(), Some("cus_50"));
    sqlx::query("update billing.reconciliations set next_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let worker = start(&stage, &stripe);
    assert!(stage.becomes_true(MENDED, Uuid::nil()).await);
    worker.stop().await;
    let asked = stripe.asked();
    let pages: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path == "customers")
        .collect();
    assert_eq!(
        pages.len(),
        1,
        "the page that was recorded is not asked for again"
    );
    assert_eq!(pages[0].parameter("starting_after"), Some("cus_50"));
    // It was not dead after all, and is too late.
    assert!(!record(run, lost, first).await);
    assert_eq!(report(&stage).await["unknown"], 150);
}

/// A page that is older than an event: the event stays.
#[sqlx::test(migrations = "../migrations")]
async fn a_list_overwrites_nothing(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    mirrors(&stage, [customer("cus_1"), subscription("canceled")]).await;
    reconcile(&stage).await;
    for objects in [
        vec![customer("cus_1")],
        vec![],
        vec![],
        vec![subscription("active")],
    ] {
        let is_recorded: bool = sqlx::query_scalar(
            "select billing.record_reconciled(c.run, c.token, $1, false) from billing.claim_reconciliation(false, '1 minute') c",
        )
        .bind(Value::Array(objects))
        .fetch_one(&pool)
        .await
        .unwrap();
        assert!(is_recorded);
    }
    let (status, is_due): (String, bool) = sqlx::query_as(
        "select data ->> 'status', fetch_at <= now() from billing.objects where id = 'sub_1'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((&*status, is_due), ("canceled", true));
    let due: i64 =
        sqlx::query_scalar("select count(*) from billing.objects where fetch_at is not null")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(due, 1, "what is the same is not asked about");
}
