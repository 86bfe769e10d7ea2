//! How often models may be asked: all of them by the tenant, with one key, or one model.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::Value;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::quota::{allow, with_limit};
use super::{Gateway, PATH, body, streamed};
use crate::support::{Answer, ApiKey};

async fn of_the_tenant(pool: &PgPool, requests: i64) {
    sqlx::query(
        "update public.tenants set limit_overrides = limit_overrides || jsonb_build_object('requests_per_minute', $2) where id = $1",
    )
    .bind(ALPHA)
    .bind(requests)
    .execute(pool)
    .await
    .unwrap();
}

async fn limit(
    gateway: &Gateway,
    key: Option<Uuid>,
    model: Option<&str>,
    (requests, tokens): (Option<i32>, Option<i32>),
) {
    let mut as_owner = ALPHA_OWNER.actor().begin(&gateway.app.pool).await.unwrap();
    sqlx::query("select public.set_rate_limit($1, $2, $3, $4, $5)")
        .bind(ALPHA)
        .bind(key)
        .bind(model)
        .bind(requests)
        .bind(tokens)
        .execute(&mut *as_owner)
        .await
        .unwrap();
    as_owner.commit().await.unwrap();
}

async fn key(gateway: &Gateway) -> ApiKey {
    ApiKey::create(&gateway.app.pool, ALPHA_OWNER, ALPHA, &["models.call"]).await
}

async fn ask_with(gateway: &Gateway, key: &ApiKey, body: &Value) -> Answer {
    let request = gateway.app.post(PATH).bearer(&key.key);
    request.json(body).send().await
}

fn number(headers: &HeaderMap, name: &str) -> i64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

fn meter_of(refused: &Answer) -> String {
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited".to_owned()),
        "{refused:?}"
    );
    assert!(refused.headers.contains_key("retry-after"));
    let details = refused.json()["details"].as_str().unwrap().to_owned();
    let details: Value = serde_json::from_str(&details).unwrap();
    details["meter"].as_str().unwrap().to_owned()
}

/// It has asked, once, however often the database was asked for it.
#[sqlx::test(migrations = "../migrations")]
async fn a_call_that_is_refused_for_its_tokens_counts_once(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    allow(&gateway.app.pool, 100).await;
    // So many that none comes back while this is tested.
    of_the_tenant(&gateway.app.pool, 10).await;
    for _ in 0..3 {
        let refused = gateway.ask(&with_limit(body("plain"), 99)).await;
        assert_eq!(refused.code(), "quota_exceeded");
    }
    let admitted = gateway.ask(&with_limit(body("plain"), 9)).await;
    assert_eq!(admitted.status, 200);
    // One comes back every six seconds.
    let remaining = number(&admitted.headers, "x-ratelimit-remaining-requests");
    assert!((6..=7).contains(&remaining), "{remaining}");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_call_of_an_agent_counts_once(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    of_the_tenant(&gateway.app.pool, 10).await;
    sqlx::query(
        r#"insert into public.ai_agents (tenant_id, slug, name, model, config)
           values ($1, 'wordy', 'Wordy', 'openai/plain', jsonb_build_object('system_prompt', repeat('word ', 2000)))"#,
    )
    .bind(ALPHA)
    .execute(&gateway.app.pool)
    .await
    .unwrap();
    let mut asked = body("plain");
    asked["model"] = "agent:wordy".into();
    let answer = gateway.ask(&asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!(number(&answer.headers, "x-ratelimit-remaining-requests"), 9);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_has_its_own_minute(pool: PgPool) {
    let gateway = Gateway::new(pool.clone()).await;
    of_the_tenant(&gateway.app.pool, 100).await;
    let (limited, other) = (key(&gateway).await, key(&gateway).await);
    limit(&gateway, Some(limited.id), None, (Some(2), None)).await;

    let first = ask_with(&gateway, &limited, &body("plain")).await;
    assert_eq!(first.status, 200);
    assert_eq!(number(&first.headers, "x-ratelimit-limit-requests"), 2);
    assert_eq!(number(&first.headers, "x-ratelimit-remaining-requests"), 1);
    assert_eq!(
        ask_with(&gateway, &limited, &body("plain")).await.status,
        200
    );
    // One that holds nothing yet.
    let another = gateway.and_another(pool, None).await;
    for _ in 0..10 {
        let refused = ask_with(&another, &limited, &body("plain")).await;
        assert_eq!(
            meter_of(&refused),
            format!("requests_per_minute:key:{}", limited.id)
        );
    }
    // Who is over their own limit has taken nothing from others.
    let others = ask_with(&another, &other, &body("plain")).await;
    assert_eq!(others.status, 200);
    assert_eq!(number(&others.headers, "x-ratelimit-limit-requests"), 100);
    let remaining = number(&others.headers, "x-ratelimit-remaining-requests");
    assert!((90..=99).contains(&remaining), "{remaining}");
    assert_eq!(gateway.upstream.journal.requests().len(), 3);

    limit(&gateway, Some(limited.id), None, (None, None)).await;
    let freed = ask_with(&gateway, &limited, &body("other")).await;
    assert_eq!(freed.status, 200, "{freed:?}");
}

/// By whichever way it is asked: by name, as an agent's, or as what is asked when another one fails.
#[sqlx::test(migrations = "../migrations")]
async fn a_model_has_its_own_minute(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    limit(&gateway, None, Some("openai/plain"), (None, Some(100))).await;
    let answer = gateway.ask(&with_limit(body("plain"), 88)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(number(&answer.headers, "x-ratelimit-limit-tokens"), 100);
    let remaining = number(&answer.headers, "x-ratelimit-remaining-tokens");
    // Two in and 88 out; some come back every second.
    assert!((10..=20).contains(&remaining), "{remaining}");
    let refused = gateway.ask(&with_limit(body("plain"), 88)).await;
    let meter = "llm_tokens_per_minute:model:openai/plain";
    assert_eq!(meter_of(&refused), meter);

    let mut first = with_limit(body("fails"), 88);
    first["models"] = serde_json::json!(["openai/plain"]);
    assert_eq!(meter_of(&gateway.ask(&first).await), meter);
    let other = gateway.ask(&with_limit(body("other"), 88)).await;
    assert_eq!(other.status, 200);
    assert!(!other.headers.contains_key("x-ratelimit-limit-tokens"));
    assert_eq!(gateway.upstream.journal.requests().len(), 2);
}

/// Two processes, and many calls at once: what fits into the minute is admitted, and nothing beyond.
#[sqlx::test(migrations = "../migrations")]
async fn a_limit_holds_however_many_ask_at_once(pool: PgPool) {
    const LIMIT: usize = 20;
    let first = Gateway::new(pool.clone()).await;
    let limited = Arc::new(key(&first).await);
    allow(&first.app.pool, 1_000_000).await;
    limit(&first, Some(limited.id), None, (Some(LIMIT as i32), None)).await;
    let second = first.and_another(pool, None).await;
    let (first, second) = (Arc::new(first), Arc::new(second));
    let started = std::time::Instant::now();
    let mut asking = JoinSet::new();
    for number in 0..64 {
        let gateway = if number % 2 == 0 { &first } else { &second };
        let (gateway, limited) = (gateway.clone(), limited.clone());
        asking.spawn(async move {
            let answer = ask_with(&gateway, &limited, &with_limit(streamed("plain"), 8)).await;
            answer.status.as_u16()
        });
    }
    let statuses = asking.join_all().await;
    // One comes back every three seconds.
    let came_back = started.elapsed().as_secs() as usize / 3 + 1;
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 429)),
        "{statuses:?}"
    );
    assert!(
        (LIMIT..=LIMIT + came_back).contains(&admitted),
        "{admitted} of {LIMIT}, and {came_back} came back"
    );
}
