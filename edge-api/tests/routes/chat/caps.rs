//! What models may cost.

use std::sync::Arc;

use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use tokio::task::JoinSet;

use super::quota::{allow, with_limit};
use super::{Gateway, body, streamed};
use crate::support::EventReader;

/// A million tokens of the stand-in's models cost a dollar in, and two out.
pub async fn price(pool: &PgPool, models: &[&str]) {
    sqlx::query(
        "insert into private.llm_prices (provider, model, valid_from, input_usd_per_million, cached_input_usd_per_million, output_usd_per_million)
         select 'openai', m, '2020-01-01', 1, 1, 2 from unnest($1) m",
    )
    .bind(models)
    .execute(pool)
    .await
    .unwrap();
}

pub async fn cap(gateway: &Gateway, micro_usd: Option<i32>) {
    let mut as_owner = ALPHA_OWNER.actor().begin(&gateway.app.pool).await.unwrap();
    sqlx::query("select public.set_spending_cap($1, $2::numeric / 1000000)")
        .bind(ALPHA)
        .bind(micro_usd)
        .execute(&mut *as_owner)
        .await
        .unwrap();
    as_owner.commit().await.unwrap();
}

/// (spent, set aside) in millionths of a dollar.
pub async fn spent(gateway: &Gateway) -> (i64, i64) {
    sqlx::query_as("select used, reserved from aias.quota_usage($1) where meter = 'llm_micro_usd'")
        .bind(ALPHA)
        .fetch_one(&gateway.app.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn what_would_cost_more_than_the_cap_is_not_asked(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    price(&gateway.app.pool, &["plain"]).await;
    // 2 in and 10 out are 22 millionths.
    cap(&gateway, Some(21)).await;
    let refused = gateway.ask(&with_limit(body("plain"), 10)).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (402, "quota_exceeded".to_owned())
    );
    let unpriced = gateway.ask(&with_limit(body("uncounted"), 1)).await;
    assert_eq!(unpriced.code(), "price_unknown");
    assert_eq!(gateway.upstream.journal.requests().len(), 0);

    // The stand-in counts 7 in and 3 out, which are 13 millionths.
    assert_eq!(gateway.ask(&with_limit(body("plain"), 9)).await.status, 200);
    gateway.used().await;
    assert_eq!(spent(&gateway).await, (13, 0));
    let refused = gateway.ask(&with_limit(body("plain"), 9)).await;
    assert_eq!(refused.code(), "quota_exceeded");
    let failed = gateway.ask(&with_limit(body("fails"), 1)).await;
    assert_eq!(failed.code(), "price_unknown");

    cap(&gateway, None).await;
    assert_eq!(gateway.ask(&with_limit(body("plain"), 9)).await.status, 200);
    gateway.used().await;
    // Set anew, it knows what was spent meanwhile.
    cap(&gateway, Some(1_000)).await;
    assert_eq!(spent(&gateway).await, (26, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_call_that_fails_gives_back_what_was_set_aside(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    price(&gateway.app.pool, &["fails"]).await;
    cap(&gateway, Some(100)).await;
    assert_eq!(gateway.ask(&with_limit(body("fails"), 9)).await.status, 502);
    gateway.used().await;
    assert_eq!(spent(&gateway).await, (0, 0));
}

/// Every third stream breaks; nobody passes the cap, and what fits below it is admitted.
#[sqlx::test(migrations = "../migrations")]
async fn a_cap_holds_however_many_call_at_once(pool: PgPool) {
    const CAP: i32 = 240;
    let gateway = Arc::new(Gateway::new(pool).await);
    allow(&gateway.app.pool, 1_000_000).await;
    price(&gateway.app.pool, &["plain", "breaks"]).await;
    cap(&gateway, Some(CAP)).await;
    let mut asking = JoinSet::new();
    for number in 0..64 {
        let gateway = gateway.clone();
        asking.spawn(async move {
            let model = if number % 3 == 0 { "breaks" } else { "plain" };
            let response = gateway.open(&with_limit(streamed(model), 9)).await;
            let status = response.status().as_u16();
            if status == 200 {
                let mut events = EventReader::new(response.into_body());
                while events.next().await.is_some() {}
            }
            (status, model)
        });
    }
    let answers = asking.join_all().await;
    let admitted = answers.iter().filter(|(status, _)| *status == 200);
    // Set aside are 20 each. Of what breaks, two tokens go in and two come out.
    let cost: i64 = admitted
        .clone()
        .map(|(_, model)| if *model == "plain" { 13 } else { 6 })
        .sum();
    gateway.used().await;
    assert_eq!(spent(&gateway).await, (cost, 0));
    assert!(cost <= i64::from(CAP), "{cost}");
    assert!(admitted.count() >= 12, "{answers:?}");
    let refused = |status: u16| matches!(status, 200 | 402);
    assert!(
        answers.iter().all(|(status, _)| refused(*status)),
        "{answers:?}"
    );
}
