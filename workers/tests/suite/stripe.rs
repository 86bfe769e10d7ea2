//! What Stripe tells is applied by whichever worker is alive, and Stripe is asked how its objects are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::BETA;
use uuid::Uuid;
use workers::stripe::StripeSettings;

use crate::support::worker::Process;
use crate::support::{Server, Stage, Worker};

fn event(id: &str, kind: &str, second: i64, object: &Value) -> Value {
    json!({"id": id, "object": "event", "type": kind, "created": 4_000_000_000 + second, "livemode": false, "data": {"object": object}})
}

fn customer() -> Value {
    json!({"id": "cus_1", "object": "customer", "metadata": {"tenant_id": BETA}})
}

fn subscription(number: usize, status: &str) -> Value {
    json!({
        "id": format!("sub_{number}"), "object": "subscription", "customer": "cus_1", "status": status, "created": 4_000_000_000 + number,
        "items": {"data": [{"price": {"id": "price_1"}, "quantity": 1, "current_period_start": 4_000_000_000_i64, "current_period_end": 4_002_592_000_i64}]},
    })
}

async fn keep(stage: &Stage, events: &[Value]) {
    let bodies: Vec<String> = events.iter().map(Value::to_string).collect();
    sqlx::query("select edge.keep_stripe_events($1)")
        .bind(bodies)
        .execute(&stage.pool)
        .await
        .unwrap();
}

async fn sell(stage: &Stage) {
    sqlx::raw_sql("update public.subscription_plans set stripe_price_monthly = 'price_1' where key = 'enterprise'")
        .execute(&stage.pool)
        .await
        .unwrap();
}

/// Nothing waits to be applied, and Beta has this plan.
const APPLIED: &str = "select not exists (select from billing.events where state = 'received') from public.tenants where id = $1";

#[sqlx::test(migrations = "../migrations")]
async fn workers_that_are_killed_lose_no_event_and_apply_none_twice(pool: PgPool) {
    const SUBSCRIPTIONS: usize = 150;
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    sell(&stage).await;
    let mut events = vec![event("evt_customer", "customer.created", 0, &customer())];
    for number in 0..SUBSCRIPTIONS {
        for (second, status) in [(2, "canceled"), (1, "active"), (3, "canceled")] {
            events.push(event(
                &format!("evt_{number}_{second}"),
                "customer.subscription.updated",
                second,
                &subscription(number, status),
            ));
        }
    }
    // Kept while a worker is there already, in many pieces, so that it is killed in the middle of something.
    let doomed = Process::start(&stage, &server, &[]);
    for piece in events.chunks(40) {
        keep(&stage, piece).await;
    }
    let begun = "select exists (select from billing.events where state = 'applied') from public.tenants where id = $1";
    assert!(stage.becomes_true(begun, BETA).await);
    doomed.kill();

    let workers = [Worker::start(&stage, &[]), Worker::start(&stage, &[])];
    assert!(stage.becomes_true(APPLIED, BETA).await);
    for worker in workers {
        worker.stop().await;
    }
    let (canceled, applied, attempts): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from public.subscriptions where status = 'canceled'),
                (select count(*) from billing.events where state = 'applied'), (select sum(attempts) from billing.events)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        (canceled, applied, attempts),
        (SUBSCRIPTIONS as i64, events.len() as i64, 0)
    );
}

/// A stand-in for Stripe's API: a subscription that no event has told of as it is now, and a customer that is not there.
#[derive(Default)]
struct Asked {
    subscription: AtomicUsize,
    customer: AtomicUsize,
}

async fn answer(
    State(asked): State<Arc<Asked>>,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    assert_eq!(headers["authorization"], "Bearer sk_test_of_these_tests");
    match (collection.as_str(), id.as_str()) {
        ("subscriptions", "sub_1") => {
            // The first time it has other things to do.
            if asked.subscription.fetch_add(1, Ordering::SeqCst) == 0 {
                return StatusCode::TOO_MANY_REQUESTS.into_response();
            }
            axum::Json(subscription(1, "unpaid")).into_response()
        }
        ("customers", "cus_1") => {
            asked.customer.fetch_add(1, Ordering::SeqCst);
            let body =
                json!({"error": {"code": "resource_missing", "type": "invalid_request_error"}});
            (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
        }
        _ => panic!("{collection} {id}"),
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn stripe_is_asked_how_its_objects_are(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    sell(&stage).await;
    let asked = Arc::<Asked>::default();
    let router = Router::new()
        .route("/v1/{collection}/{id}", get(answer))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    // Long ago, by Stripe's clock as it stands in its answers.
    let mut told = [
        event("evt_1", "customer.created", 0, &customer()),
        event(
            "evt_2",
            "customer.subscription.created",
            1,
            &subscription(1, "active"),
        ),
    ];
    for event in &mut told {
        event["created"] = json!(1_700_000_000);
    }
    keep(&stage, &told).await;
    let worker = Worker::start_with(&stage, &[], |config| {
        let settings = StripeSettings::read(|name| {
            Some(match name {
                "STRIPE_API_BASE" => base.clone(),
                _ => "sk_test_of_these_tests".to_owned(),
            })
        });
        config.stripe = settings.unwrap_or_else(|error| panic!("{error}"));
    });
    assert!(stage.becomes_true("select is_deleted from billing.objects where kind = 'customer' and $1 <> gen_random_uuid()", Uuid::nil()).await);
    // Without an answer it is asked again when the lease is over.
    let put_off = "select fetch_at > now() + interval '1 minute' from billing.objects where kind = 'subscription' and $1 <> gen_random_uuid()";
    assert!(stage.becomes_true(put_off, Uuid::nil()).await);
    let suspended = "select status = 'suspended' from public.tenants where id = $1";
    let is_suspended: bool = stage.ask_queue(suspended, BETA).await;
    assert!(!is_suspended);
    sqlx::query("update billing.objects set fetch_at = now() where fetch_at is not null")
        .execute(&pool)
        .await
        .unwrap();
    assert!(stage.becomes_true(suspended, BETA).await);
    worker.stop().await;
    serving.abort();
    assert_eq!(asked.subscription.load(Ordering::SeqCst), 2);
    assert_eq!(asked.customer.load(Ordering::SeqCst), 1);
}
