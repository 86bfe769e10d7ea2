//! Whatever happens on the way, once all has gone there is no drift; and what is wrong is shown.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;

use crate::meters::{call, claim, count, drift, executions, record, subscribed, time_passes};
use crate::stage::{ids, keep};

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A call of a model in this hour of the last ten, of so many tokens: late, if the hour was counted.
    Call(i64, i64),
    Executions(i64, i32),
    /// All executions are deleted.
    Delete,
    Count,
    /// What is due is claimed; the first so many are taken by Stripe, and these fare so.
    Send(usize, Answer),
    LeasesEnd,
    AskStripe,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Heard,
    /// The worker dies.
    Unheard,
    Said(&'static str),
}

fn draw(random: &mut StdRng) -> Step {
    match random.random_range(0..18) {
        0..4 => Step::Call(random.random_range(0..10), random.random_range(1..50)),
        4..6 => Step::Executions(random.random_range(0..10), random.random_range(1..4)),
        6 => Step::Delete,
        7..10 => Step::Count,
        10..14 => {
            let answers = [
                Answer::Heard,
                Answer::Heard,
                Answer::Unheard,
                Answer::Said("unknown"),
            ];
            Step::Send(random.random_range(0..6), *answers.choose(random).unwrap())
        }
        14..16 => Step::LeasesEnd,
        _ => Step::AskStripe,
    }
}

/// What Stripe has: by identifier the meter, the second, the amount.
type Taken = BTreeMap<String, (String, i64, i64)>;

async fn take(pool: &PgPool, taken: &mut Taken, identifier: &str) {
    let event: (String, i64, i64) = sqlx::query_as(
        "select meter, extract(epoch from happened_at)::bigint, value from billing.meter_events where identifier = $1",
    )
    .bind(identifier)
    .fetch_one(pool)
    .await
    .unwrap();
    let before = taken.insert(identifier.to_owned(), event.clone());
    assert!(
        before.is_none_or(|before| before == event),
        "an identifier that means something else: {identifier}"
    );
}

async fn ask(pool: &PgPool, taken: &Taken) {
    let asked: Vec<(uuid::Uuid, String, String, i64, i64)> = sqlx::query_as(
        "select tenant_id, meter, customer, extract(epoch from day)::bigint, ticket from billing.claim_meter_days(100, true, '1 minute')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (tenant, meter, customer, day, ticket) in asked {
        let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
        for (of, second, value) in taken.values() {
            if *of == meter && (day..day + 86_400).contains(second) {
                *hours.entry(second - second % 3_600).or_default() += *value as f64;
            }
        }
        let (hours, sums): (Vec<i64>, Vec<f64>) = hours.into_iter().unzip();
        sqlx::query("select billing.apply_meter_day($1, $2, $3, to_timestamp($4), $5, $6, $7)")
            .bind(tenant)
            .bind(meter)
            .bind(customer)
            .bind(day)
            .bind(ticket)
            .bind(hours)
            .bind(sums)
            .execute(pool)
            .await
            .unwrap();
    }
}

async fn send(pool: &PgPool, taken: &mut Taken, most: usize, answer: Answer) {
    for (identifier, ticket, _) in claim(pool).await.into_iter().take(most) {
        take(pool, taken, &identifier).await;
        match answer {
            Answer::Heard => assert!(record(pool, &identifier, ticket, "sent").await),
            Answer::Said(outcome) => assert!(record(pool, &identifier, ticket, outcome).await),
            Answer::Unheard => {}
        }
    }
}

async fn live(pool: &PgPool, steps: &[Step]) {
    let start = subscribed(pool, 12).await.second;
    let mut taken = Taken::new();
    let (mut tokens, mut begun) = (0, 0);
    let mut session = pool.acquire().await.unwrap();
    for step in steps {
        match *step {
            Step::Call(hour, amount) => {
                tokens += amount;
                call(pool, start + hour * 3_600 + amount, amount).await;
            }
            Step::Executions(hour, number) => {
                begun += i64::from(number);
                executions(pool, start + hour * 3_600, number).await;
            }
            Step::Delete => {
                sqlx::raw_sql("delete from public.executions")
                    .execute(pool)
                    .await
                    .unwrap();
            }
            Step::Count => count(&mut session).await,
            Step::Send(most, answer) => send(pool, &mut taken, most, answer).await,
            Step::LeasesEnd => time_passes(pool).await,
            Step::AskStripe => ask(pool, &taken).await,
        }
    }
    // And then all is well again.
    count(&mut session).await;
    time_passes(pool).await;
    send(pool, &mut taken, usize::MAX, Answer::Heard).await;
    time_passes(pool).await;
    ask(pool, &taken).await;
    assert_eq!(
        drift(pool, 24.0).await,
        Vec::<serde_json::Value>::new(),
        "{steps:?}"
    );
    let sum = |meter: &str| -> i64 {
        let of_it = taken.values().filter(|(of, ..)| of == meter);
        of_it.map(|(_, _, value)| value).sum()
    };
    assert_eq!(
        (sum("llm_tokens"), sum("llm_cost"), sum("executions")),
        (tokens, tokens * 1_000, begun),
        "{steps:?}"
    );
}

async fn forget(pool: &PgPool) {
    sqlx::raw_sql(
        "delete from billing.meter_events; delete from billing.meter_days; delete from billing.metered_tenants; delete from billing.events;
         delete from billing.objects; delete from public.subscriptions; delete from billing.customers; delete from billing.accounts",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn after_any_history_there_is_no_drift_and_stripe_has_what_was_used(pool: PgPool) {
    for seed in 0..25 {
        let random = &mut StdRng::seed_from_u64(seed);
        let length = random.random_range(1..40);
        let steps: Vec<Step> = (0..length).map(|_| draw(random)).collect();
        live(&pool, &steps).await;
        forget(&pool).await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_stripe_does_not_have_or_has_twice_is_shown(pool: PgPool) {
    let start = subscribed(&pool, 12).await.second;
    call(&pool, start, 10).await;
    count(&mut pool.acquire().await.unwrap()).await;
    let mut taken = Taken::new();
    send(&pool, &mut taken, usize::MAX, Answer::Heard).await;
    assert!(drift(&pool, 24.0).await.is_empty());
    let tokens = taken
        .keys()
        .find(|key| key.contains("llm_tokens"))
        .unwrap()
        .clone();
    let event = taken[&tokens].clone();
    for (stripe, value) in [(0, None), (20, Some(20))] {
        taken.remove(&tokens);
        if let Some(value) = value {
            taken.insert(tokens.clone(), (event.0.clone(), event.1, value));
        }
        sqlx::raw_sql("update billing.meter_days set ask_at = now()")
            .execute(&pool)
            .await
            .unwrap();
        ask(&pool, &taken).await;
        let drift = drift(&pool, 24.0).await;
        assert_eq!(drift.len(), 1, "{drift:?}");
        assert_eq!(
            (&drift[0]["meter"], &drift[0]["sent"], &drift[0]["stripe"]),
            (&"llm_tokens".into(), &10.into(), &stripe.into())
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn subscriptions_that_are_not_as_the_mirror_says_are_shown(pool: PgPool) {
    let mut stripe = subscribed(&pool, 12).await;
    let differences = async || -> Vec<(String, String)> {
        sqlx::query_as("select subscription, difference from billing.subscription_drift()")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    stripe
        .wait(60)
        .change_price("sub_1", crate::stripe::ENTERPRISE);
    let mut session = pool.acquire().await.unwrap();
    keep(&mut session, &stripe.events).await;
    crate::stage::apply(&mut session, &ids(&stripe.events)).await;
    assert_eq!(differences().await, []);
    sqlx::raw_sql("update public.subscriptions set status = 'paused'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        differences().await,
        [(
            "sub_1".to_owned(),
            "the tenant sees it otherwise".to_owned()
        )]
    );
    sqlx::raw_sql("delete from public.subscriptions")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(
        differences().await,
        [("sub_1".to_owned(), "the tenant does not see it".to_owned())]
    );
}
