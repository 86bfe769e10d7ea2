//! What tenants use reaches Stripe's meters once, whoever dies when.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tests::seed::ALPHA;
use workers::stripe::StripeSettings;

use crate::support::stripe_meters::{Next, StripeMeters, Taken};
use crate::support::worker::Process;
use crate::support::{Server, Stage, Worker};

const KEY: &str = "sk_test_of_these_tests";

/// Alpha has subscribed two days ago, and Stripe's meters are told of its executions and tokens.
async fn subscribed(pool: &PgPool) -> Stage {
    let stage = Stage::set(pool).await;
    sqlx::raw_sql(
        "update public.subscription_plans set stripe_price_monthly = 'price_1' where key = 'professional';
         update billing.meters set event_name = 'aias_' || key, since = '-infinity' where key in ('executions', 'llm_tokens')",
    )
    .execute(pool)
    .await
    .unwrap();
    let start: i64 =
        sqlx::query_scalar("select extract(epoch from billing.hour_of(now()))::bigint - 48 * 3600")
            .fetch_one(pool)
            .await
            .unwrap();
    let told = [
        json!({"id": "evt_1", "object": "event", "type": "customer.created", "created": start, "livemode": false,
               "data": {"object": {"id": "cus_1", "object": "customer", "metadata": {"tenant_id": ALPHA}}}}),
        json!({"id": "evt_2", "object": "event", "type": "customer.subscription.created", "created": start, "livemode": false,
               "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "created": start,
                 "items": {"data": [{"price": {"id": "price_1"}, "quantity": 1, "current_period_start": start, "current_period_end": start + 30 * 86_400}]}}}}),
    ];
    keep(&stage, &told).await;
    sqlx::raw_sql("select billing.apply_events(100, false)")
        .execute(pool)
        .await
        .unwrap();
    stage
}

async fn keep(stage: &Stage, events: &[Value]) {
    let bodies: Vec<String> = events.iter().map(Value::to_string).collect();
    sqlx::query("select edge.keep_stripe_events($1)")
        .bind(bodies)
        .execute(&stage.pool)
        .await
        .unwrap();
}

/// A call of a model so many hours ago.
async fn call(stage: &Stage, hours_ago: i32, tokens: i64) {
    sqlx::query(
        "insert into public.usage (tenant_id, idempotency_key, provider, model, input_tokens, created_at)
         values ($1, gen_random_uuid()::text, 'openai', 'gpt-4o-mini', $2, now() - $3 * interval '1 hour')",
    )
    .bind(ALPHA)
    .bind(tokens)
    .bind(hours_ago)
    .execute(&stage.pool)
    .await
    .unwrap();
}

async fn run(stage: &Stage, sql: &'static str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&stage.pool)
        .await
        .unwrap();
}

fn worker(stage: &Stage, stripe: &StripeMeters) -> Worker {
    let base = stripe.base.clone();
    Worker::start_with(stage, &[], move |config| {
        let settings = StripeSettings::read(|name| {
            Some(match name {
                "STRIPE_API_BASE" => base.clone(),
                _ => KEY.to_owned(),
            })
        });
        config.stripe = settings.unwrap_or_else(|error| panic!("{error}"));
    })
}

/// All that was counted is with Stripe.
const ALL_SENT: &str = "select exists (select from billing.meter_events) and not exists (select from billing.meter_events where state <> 'sent') from public.tenants where id = $1";
const COUNT: &str =
    "update billing.metered_tenants set count_at = now(); select billing.count_usage(10)";
/// Leases and back-offs are over.
const DUE: &str =
    "update billing.meter_events set next_attempt_at = now() where next_attempt_at is not null";

async fn state(stage: &Stage) -> Vec<(i64, i32, String)> {
    sqlx::query_as("select value, seq, state from billing.meter_events where meter = 'llm_tokens' order by hour, seq")
        .fetch_all(&stage.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_used_reaches_stripe_once_and_late_rows_too(pool: PgPool) {
    let stage = subscribed(&pool).await;
    let stripe = StripeMeters::start().await;
    for hours_ago in 2..40 {
        call(&stage, hours_ago, i64::from(hours_ago)).await;
    }
    // Not over, and from before it subscribed.
    call(&stage, 0, 1_000_000).await;
    call(&stage, 60, 1_000_000).await;
    stripe.book().next = [Next::TooMany, Next::TakenAnd500, Next::TooMany].into();
    let workers = [worker(&stage, &stripe), worker(&stage, &stripe)];
    assert!(stage.becomes_true(ALL_SENT, ALPHA).await);
    call(&stage, 3, 5).await;
    run(&stage, COUNT).await;
    assert!(stage.becomes_true(ALL_SENT, ALPHA).await);
    for worker in workers {
        worker.stop().await;
    }
    // Stripe is asked what it has, once it has added up; a worker that begins looks at once.
    run(&stage, "update billing.meter_days set ask_at = now()").await;
    let last = worker(&stage, &stripe);
    let asked = "select not exists (select from billing.meter_days where asked_at is null or ask_at is not null) from public.tenants where id = $1";
    assert!(stage.becomes_true(asked, ALPHA).await);
    last.stop().await;

    let used: i64 = (2..40).sum::<i64>() + 5;
    {
        let book = stripe.book();
        assert_eq!(book.complaints, Vec::<String>::new());
        assert_eq!(book.sum("aias_llm_tokens"), used);
        assert!(
            book.taken
                .iter()
                .all(|(_, taken)| taken.customer == "cus_1")
        );
        assert!(book.asked >= 2, "{}", book.asked);
    }
    let drift: i64 =
        sqlx::query_scalar("select count(*) from billing.drift(now() - interval '3 days', now())")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(drift, 0);
    let says: i64 = sqlx::query_scalar(
        "select sum(value)::bigint from billing.meter_sums where meter = 'llm_tokens'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(says, used);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_that_is_killed_between_sending_and_recording_bills_nothing_twice(pool: PgPool) {
    let stage = subscribed(&pool).await;
    let server = Server::start().await;
    let stripe = StripeMeters::start().await;
    call(&stage, 3, 70).await;
    call(&stage, 4, 7).await;
    stripe.book().next = [Next::TakenAndSilent].into();
    let variables = [
        ("STRIPE_API_KEY", KEY),
        ("STRIPE_API_BASE", stripe.base.as_str()),
    ];
    let doomed = Process::start(&stage, &server, &variables);
    let begun = "select exists (select from billing.meter_events where tried_at is not null) from public.tenants where id = $1";
    assert!(stage.becomes_true(begun, ALPHA).await);
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while stripe.book().taken.is_empty() {
        assert!(std::time::Instant::now() < until, "Stripe was told nothing");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    doomed.kill();
    let queued: i64 =
        sqlx::query_scalar("select count(*) from billing.meter_events where state = 'queued'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(queued, 2, "nothing was recorded");

    run(&stage, DUE).await;
    let workers = [worker(&stage, &stripe), worker(&stage, &stripe)];
    assert!(stage.becomes_true(ALL_SENT, ALPHA).await);
    for worker in workers {
        worker.stop().await;
    }
    let book = stripe.book();
    assert_eq!((book.sum("aias_llm_tokens"), book.duplicates), (77, 1));
    assert_eq!(book.complaints, Vec::<String>::new());
}

#[sqlx::test(migrations = "../migrations")]
async fn who_was_away_for_a_day_asks_what_stripe_has_before_it_sends_again(pool: PgPool) {
    let stage = subscribed(&pool).await;
    let stripe = StripeMeters::start().await;
    // Of two hours, one event has gone, and nobody has heard the answer of either.
    call(&stage, 3, 70).await;
    call(&stage, 4, 7).await;
    run(&stage, "select billing.count_usage(10)").await;
    run(
        &stage,
        "update billing.meter_events set tried_at = now() - interval '25 hours', attempts = 1",
    )
    .await;
    let (identifier, timestamp): (String, i64) = sqlx::query_as(
        "select identifier, extract(epoch from happened_at)::bigint from billing.meter_events where value = 70",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    {
        let mut book = stripe.book();
        let at = book.now() - 25 * 3_600;
        let taken = Taken {
            event_name: "aias_llm_tokens".to_owned(),
            customer: "cus_1".to_owned(),
            timestamp,
            value: 70,
            at,
        };
        book.taken.push((identifier, taken));
    }
    let first = worker(&stage, &stripe);
    let unsure =
        "select count(*) = 2 from billing.meter_events where state = 'unsure' and tenant_id = $1";
    assert!(stage.becomes_true(unsure, ALPHA).await);
    first.stop().await;
    assert_eq!(stripe.book().taken.len(), 1, "it is not sent again");
    run(&stage, "update billing.meter_days set ask_at = now()").await;
    let second = worker(&stage, &stripe);
    assert!(stage.becomes_true(ALL_SENT, ALPHA).await);
    second.stop().await;
    let book = stripe.book();
    assert_eq!((book.sum("aias_llm_tokens"), book.taken.len()), (77, 2));
    assert_eq!(book.complaints, Vec::<String>::new());
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_refuses_is_marked_and_can_be_sent_anew(pool: PgPool) {
    let stage = subscribed(&pool).await;
    let stripe = StripeMeters::start().await;
    call(&stage, 3, 70).await;
    stripe.book().next = [Next::Archived].into();
    let first = worker(&stage, &stripe);
    let refused = "select exists (select from billing.meter_events where state = 'refused' and problem like '%archived_meter%' and tenant_id = $1)";
    assert!(stage.becomes_true(refused, ALPHA).await);
    run(
        &stage,
        "select billing.resend_meter_event(identifier) from billing.meter_events",
    )
    .await;
    let anew = "select exists (select from billing.meter_events where state = 'sent' and seq = 2 and tenant_id = $1)";
    assert!(stage.becomes_true(anew, ALPHA).await);
    first.stop().await;
    assert_eq!(
        state(&stage).await,
        [(70, 1, "replaced".to_owned()), (70, 2, "sent".to_owned())]
    );
    assert_eq!(stripe.book().sum("aias_llm_tokens"), 70);

    // It finds later that it cannot count it, and says so by an event that is but a note.
    let (identifier,): (String,) =
        sqlx::query_as("select identifier from billing.meter_events where state = 'sent'")
            .fetch_one(&pool)
            .await
            .unwrap();
    let note = json!({
        "id": "evt_test_1", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered", "created": "2026-01-01T00:00:00.000Z",
        "livemode": false, "related_object": {"id": "mtr_test_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_test_1"},
    });
    let mut report = note.clone();
    report["data"] = json!({
        "developer_message_summary": "There is 1 invalid event", "validation_start": "2026-01-01T00:00:00.000Z", "validation_end": "2026-01-01T00:00:10.000Z",
        "reason": {"error_count": 1, "error_types": [{
            "code": "meter_event_customer_not_found", "error_count": 1,
            "sample_errors": [{"error_message": "Customer mapping key cus_1 not found.", "request": {"identifier": identifier}}],
        }]},
    });
    stripe
        .book()
        .reports
        .insert("evt_test_1".to_owned(), report);
    keep(&stage, &[note]).await;
    let second = worker(&stage, &stripe);
    let refused = "select exists (select from billing.meter_events where state = 'refused' and problem = 'meter_event_customer_not_found: Customer mapping key cus_1 not found.' and tenant_id = $1)";
    assert!(stage.becomes_true(refused, ALPHA).await);
    second.stop().await;
    let drift: (i64, i64) = sqlx::query_as(
        "select counted::bigint, refused::bigint from billing.drift(now() - interval '1 day', now())",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(drift, (70, 70));
    assert_eq!(stripe.book().complaints, Vec::<String>::new());
}
