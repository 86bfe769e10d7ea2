//! Every permutation of every history comes to the same, and to what is right.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tests::seed::BETA;

use crate::histories::{self, History};
use crate::stage::{apply, assert_mirrors, ids, keep, outcome, session, set};
use crate::stripe::{PROFESSIONAL, Stripe};

/// All outcomes of all orders. An order is taken one step at a time, and back again; orders of the same events that have come to the same rows go on
/// together, since what is applied to the same rows comes to the same. Where the rows differ, each is followed.
pub const FOLLOW: &str = "
  create function pg_temp.follow(left_over text[], inout been text[], inout outcomes jsonb[]) language plpgsql as $$
  declare
    here constant text := left_over::text || pg_temp.rows();
    event text;
  begin
    if here = any (been) then
      return;
    end if;
    been := been || here;
    if cardinality(left_over) = 0 then
      outcomes := outcomes || pg_temp.outcome();
    end if;
    foreach event in array left_over loop
      begin
        perform billing.apply(array[event], false);
        select f.been, f.outcomes into been, outcomes from pg_temp.follow(array_remove(left_over, event), been, outcomes) f;
        raise exception 'taken back' using errcode = 'AIAS0';
      exception when sqlstate 'AIAS0' then
        null;
      end;
    end loop;
  end
  $$";

/// All that is derived of tenants.
const ROWS: &str = "
  create function pg_temp.rows() returns text language sql as $$
    select md5(string_agg(r.line, '|' order by r.line)) from (
      select to_jsonb(x)::text from billing.objects x
      union all select to_jsonb(x)::text from billing.customers x
      union all select to_jsonb(x)::text from billing.accounts x
      union all select to_jsonb(x)::text from public.subscriptions x
      union all select to_jsonb(x)::text from public.invoices x
      union all select (to_jsonb(x) - 'updated_at')::text from public.tenants x
    ) r (line)
  $$";

/// The rule that does not work: whatever came last is how it is.
const LAST_EVENT_WINS: &str = "
  create or replace function billing.newest(seen billing.sighting[]) returns billing.sighting[] language sql immutable set search_path = ''
  as $$ select seen[cardinality(seen):] $$";

async fn outcomes(session: &mut PgConnection, history: &History) -> Vec<Value> {
    sqlx::query_scalar::<_, Vec<Value>>("select outcomes from pg_temp.follow($1, '{}', '{}')")
        .bind(ids(&history.stripe.events))
        .fetch_one(session)
        .await
        .unwrap()
}

/// What [`History::right`] speaks of.
fn in_short(outcome: &Value) -> Value {
    let statuses = |rows: &Value| -> Value {
        let rows = rows.as_object().expect("rows").iter();
        rows.map(|(id, row)| (id.clone(), row["status"].clone()))
            .collect()
    };
    json!({
        "plan": outcome["plan"], "status": outcome["status"],
        "subscriptions": statuses(&outcome["subscriptions"]), "invoices": statuses(&outcome["invoices"]),
    })
}

#[sqlx::test(migrations = "../migrations")]
async fn every_order_comes_to_what_is_right(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    for sql in [ROWS, FOLLOW] {
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    for history in histories::all() {
        let mut transaction = sqlx::Connection::begin(&mut *session).await.unwrap();
        keep(&mut transaction, &history.stripe.events).await;
        let found = outcomes(&mut transaction, &history).await;
        assert_eq!(found.len(), 1, "{}: {found:#?}", history.name);
        assert_eq!(in_short(&found[0]), history.right, "{}", history.name);
        assert_mirrors(&found[0], &history.stripe, history.name);
        transaction.rollback().await.unwrap();
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn the_last_event_is_not_the_newest(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    for sql in [ROWS, FOLLOW, LAST_EVENT_WINS] {
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    for mut history in histories::all() {
        // Enough to see it, and a few hundred orders instead of thousands.
        history.stripe.events.truncate(5);
        let mut transaction = sqlx::Connection::begin(&mut *session).await.unwrap();
        keep(&mut transaction, &history.stripe.events).await;
        let found = outcomes(&mut transaction, &history).await;
        assert!(found.len() > 1, "{}: {found:#?}", history.name);
        transaction.rollback().await.unwrap();
    }
}

/// More than are tried in all their orders.
#[sqlx::test(migrations = "../migrations")]
async fn many_changes_within_a_second_end_with_the_last(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    let mut stripe = Stripe::new();
    stripe
        .customer(BETA)
        .subscription("sub_1", PROFESSIONAL, "active")
        .wait(5);
    for step in 0..9 {
        stripe.change("sub_1", json!({"description": format!("step {step}")}));
    }
    keep(&mut session, &stripe.events).await;
    let mut order = ids(&stripe.events);
    for _ in 0..order.len() {
        order.rotate_left(1);
        let mut transaction = sqlx::Connection::begin(&mut *session).await.unwrap();
        for event in &order {
            apply(&mut transaction, std::slice::from_ref(event)).await;
        }
        let outcome = outcome(&mut transaction).await;
        transaction.rollback().await.unwrap();
        assert_mirrors(&outcome, &stripe, &format!("{order:?}"));
    }
}

/// What follows from the subscription: limits, anchor, period; and what was refunded.
#[sqlx::test(migrations = "../migrations")]
async fn limits_and_refunds_follow(pool: PgPool) {
    set(&pool).await;
    let mut session = session(&pool).await;
    let mut seen = BTreeSet::new();
    for history in histories::all() {
        let mut transaction = sqlx::Connection::begin(&mut *session).await.unwrap();
        keep(&mut transaction, &history.stripe.events).await;
        apply(&mut transaction, &ids(&history.stripe.events)).await;
        let outcome = outcome(&mut transaction).await;
        transaction.rollback().await.unwrap();
        let limit = match outcome["plan"].as_str() {
            Some("starter") => json!(100),
            Some("professional") => json!(10_000),
            _ => Value::Null,
        };
        assert_eq!(outcome["executions"], limit, "{}", history.name);
        for (id, subscription) in outcome["subscriptions"].as_object().expect("rows") {
            let of_stripe = &history.stripe.objects[id];
            let end = of_stripe["current_period_end"]
                .as_i64()
                .or(of_stripe["items"]["data"][0]["current_period_end"].as_i64());
            let told =
                sqlx::query_scalar::<_, i64>("select extract(epoch from $1::timestamptz)::bigint");
            let told = told
                .bind(subscription["current_period_end"].as_str())
                .fetch_one(&mut *session)
                .await
                .unwrap();
            assert_eq!(Some(told), end, "{}", history.name);
            if subscription["decides"] == true {
                assert_eq!(outcome["anchor"], of_stripe["billing_cycle_anchor"]);
            }
        }
        if let Some(refunded) = outcome["invoices"]["in_1"]["amount_refunded"].as_i64() {
            seen.insert(refunded);
        }
    }
    assert_eq!(seen, BTreeSet::from([0, 1900]));
}
