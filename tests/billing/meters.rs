//! A tenant with a subscription that began days ago, meters that are sent, and hours in which it used something.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tests::seed::{ALPHA, ALPHA_WORKFLOW};

use crate::stage::{apply, ids, keep, set};
use crate::stripe::{PROFESSIONAL, Stripe};

/// The seed's tenants; Alpha has subscribed so many hours ago, at the beginning of one.
pub async fn subscribed(pool: &PgPool, hours_ago: i64) -> Stripe {
    set(pool).await;
    sqlx::raw_sql(
        "update billing.meters set event_name = 'aias_' || key, since = '-infinity', stripe_meter = 'mtr_' || key;
         delete from public.usage; delete from public.executions; delete from billing.removed_executions",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut stripe = Stripe::new();
    stripe.second = hour(pool, hours_ago).await;
    stripe
        .customer(ALPHA)
        .subscription("sub_1", PROFESSIONAL, "active");
    let mut session = pool.acquire().await.unwrap();
    keep(&mut session, &stripe.events).await;
    apply(&mut session, &ids(&stripe.events)).await;
    stripe
}

/// When the hour began so many hours ago, in seconds.
pub async fn hour(pool: &PgPool, ago: i64) -> i64 {
    sqlx::query_scalar("select extract(epoch from billing.hour_of(now()))::bigint - $1 * 3600")
        .bind(ago)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A call of a model at a second, of so many tokens, half of them input; each costs a thousandth of a dollar.
pub async fn call(pool: &PgPool, second: i64, tokens: i64) {
    sqlx::query(
        "insert into public.usage (tenant_id, idempotency_key, provider, model, input_tokens, output_tokens, cost_usd, created_at)
         values ($1, gen_random_uuid()::text, 'openai', 'gpt-4o-mini', $2 / 2, $2 - $2 / 2, $2 * 0.001, to_timestamp($3))",
    )
    .bind(ALPHA)
    .bind(tokens)
    .bind(second)
    .execute(pool)
    .await
    .unwrap();
}

/// So many executions at a second.
pub async fn executions(pool: &PgPool, second: i64, count: i32) {
    sqlx::query(
        "insert into public.executions (tenant_id, id, workflow_id, workflow_version, status, output, created_at, finished_at)
         select $1, (left(private.first_id_at(to_timestamp($3))::text, 14) || right(gen_random_uuid()::text, 22))::uuid, $2, 1, 'succeeded', '{}', to_timestamp($3), now()
           from generate_series(1, $4)",
    )
    .bind(ALPHA)
    .bind(ALPHA_WORKFLOW)
    .bind(second)
    .bind(count)
    .execute(pool)
    .await
    .unwrap();
}

/// Counts what is over, as a worker does in an hour's time; all that Stripe still takes, as once a day.
pub async fn count(session: &mut PgConnection) {
    sqlx::raw_sql("update billing.metered_tenants set count_at = now(), recount_at = now()")
        .execute(&mut *session)
        .await
        .unwrap();
    sqlx::query("select billing.count_usage(100)")
        .execute(session)
        .await
        .unwrap();
}

/// The events of a meter: how many hours after `since`, number, amount, state.
pub async fn events(pool: &PgPool, meter: &str, since: i64) -> Vec<(i64, i32, i64, String)> {
    sqlx::query_as(
        "select (extract(epoch from hour)::bigint - $2) / 3600, seq, value, state from billing.meter_events where meter = $1 order by 1, 2",
    )
    .bind(meter)
    .bind(since)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The rows of billing.drift of the last so many hours, without the tenant.
pub async fn drift(pool: &PgPool, hours: f64) -> Vec<Value> {
    sqlx::query_scalar(
        "select to_jsonb(d) - 'tenant_id' from billing.drift(now() - $1 * interval '1 hour', now()) d",
    )
    .bind(hours)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Claims all that is due; answers identifier, ticket and amount.
pub async fn claim(pool: &PgPool) -> Vec<(String, i64, i64)> {
    let mut claimed: Vec<(String, i64, i64)> = sqlx::query_as(
        "select identifier, ticket, value from billing.claim_meter_events(1000, true, '3 minutes')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    claimed.sort();
    claimed
}

pub async fn record(pool: &PgPool, identifier: &str, ticket: i64, outcome: &str) -> bool {
    let recorded: i32 = sqlx::query_scalar(
        "select billing.record_meter_events(array[$1], array[$2], array[$3], array[null])",
    )
    .bind(identifier)
    .bind(ticket)
    .bind(outcome)
    .fetch_one(pool)
    .await
    .unwrap();
    recorded == 1
}

/// Has all that waits for a time be due.
pub async fn time_passes(pool: &PgPool) {
    sqlx::raw_sql(
        "update billing.meter_events set next_attempt_at = now() where next_attempt_at is not null;
         update billing.meter_days set ask_at = now() where ask_at is not null",
    )
    .execute(pool)
    .await
    .unwrap();
}
