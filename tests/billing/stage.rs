//! A database with the seed's tenants, and what has become of one of them.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tests::seed::BETA;

use crate::stripe::{ENTERPRISE, PROFESSIONAL, Stripe};

/// Plan, status and limits of Beta, and its subscriptions and invoices.
const OUTCOME: &str = "
  create function pg_temp.outcome() returns jsonb language sql as $$
    select jsonb_build_object(
      'plan', p.key, 'status', t.status, 'anchor', extract(epoch from t.billing_anchor)::bigint,
      'executions', (select s.quota_limit from aias.quota_status(t.id) s where s.meter = 'executions'),
      'subscriptions', (select coalesce(jsonb_object_agg(s.id, to_jsonb(s) - 'tenant_id' - 'id'), '{}') from public.subscriptions s where s.tenant_id = t.id),
      'invoices', (select coalesce(jsonb_object_agg(i.id, to_jsonb(i) - 'tenant_id' - 'id'), '{}') from public.invoices i where i.tenant_id = t.id),
      'objects', (select coalesce(jsonb_object_agg(o.id, o.data), '{}') from billing.objects o where not o.is_deleted or o.kind = 'subscription'))
      from public.tenants t join public.subscription_plans p on p.id = t.plan_id
     where t.id = '01900000-0000-7000-8000-00000000b000'
  $$";

/// Beta, who has the plan `starter`, no overrides and two prices to buy plans at.
pub async fn set(pool: &PgPool) {
    tests::policies::apply(pool).await.unwrap();
    tests::seed::apply(pool).await.unwrap();
    sqlx::query("update public.tenants set limit_overrides = '{}', billing_anchor = '2026-01-01Z' where id = $1")
        .bind(BETA)
        .execute(pool)
        .await
        .unwrap();
    for (plan, price) in [("professional", PROFESSIONAL), ("enterprise", ENTERPRISE)] {
        sqlx::query(
            "update public.subscription_plans set stripe_price_monthly = $2 where key = $1",
        )
        .bind(plan)
        .bind(price)
        .execute(pool)
        .await
        .unwrap();
    }
}

/// A session that can tell the outcome.
pub async fn session(pool: &PgPool) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
    let mut session = pool.acquire().await.unwrap();
    sqlx::raw_sql(OUTCOME).execute(&mut *session).await.unwrap();
    session
}

/// Keeps events as edge-api does.
pub async fn keep(session: &mut PgConnection, events: &[Value]) {
    let bodies: Vec<String> = events.iter().map(Value::to_string).collect();
    sqlx::query("select edge.keep_stripe_events($1)")
        .bind(bodies)
        .execute(session)
        .await
        .unwrap();
}

pub fn ids(events: &[Value]) -> Vec<String> {
    let ids = events
        .iter()
        .map(|event| event["id"].as_str().expect("an id"));
    ids.map(ToOwned::to_owned).collect()
}

pub async fn apply(session: &mut PgConnection, events: &[String]) {
    sqlx::query("select billing.apply($1, false)")
        .bind(events)
        .execute(session)
        .await
        .unwrap();
}

pub async fn outcome(session: &mut PgConnection) -> Value {
    sqlx::query_scalar("select pg_temp.outcome()")
        .fetch_one(session)
        .await
        .unwrap()
}

/// Asserts that the mirror has each object as Stripe has it.
pub fn assert_mirrors(outcome: &Value, stripe: &Stripe, context: &str) {
    for (id, object) in &stripe.objects {
        assert_eq!(outcome["objects"][id], *object, "{id} {context}");
    }
    let mirrored = outcome["objects"].as_object().expect("objects").len();
    assert_eq!(mirrored, stripe.objects.len(), "{context}");
}
