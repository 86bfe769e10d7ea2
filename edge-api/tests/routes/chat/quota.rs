//! What the plan has.

use serde_json::Value;
use sqlx::PgPool;
use tests::seed::ALPHA;
use tokio::task::JoinSet;

use super::{Gateway, body, streamed};
use crate::support::EventReader;

pub async fn allow(pool: &PgPool, tokens: i64) {
    sqlx::query(
        "update public.tenants set limit_overrides = limit_overrides || jsonb_build_object('llm_tokens', $2, 'requests_per_minute', null) where id = $1",
    )
    .bind(ALPHA)
    .bind(tokens)
    .execute(pool)
    .await
    .unwrap();
}

/// Two tokens in, and at most so many out.
pub fn with_limit(mut body: Value, max_tokens: u32) -> Value {
    body["max_tokens"] = max_tokens.into();
    body
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_asked_that_the_plan_has_no_tokens_for(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    allow(&gateway.app.pool, 100).await;
    let refused = gateway.ask(&with_limit(body("plain"), 99)).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (402, "quota_exceeded".to_owned())
    );
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert_eq!(gateway.upstream.journal.requests(), Vec::<Value>::new());
    let admitted = gateway.ask(&with_limit(body("plain"), 98)).await;
    assert_eq!(admitted.status, 200);
    gateway.used().await;
    assert_eq!(gateway.tokens().await, (10, 0));
}

/// Every third stream breaks. What the provider's stand-in has said is what is written down, and never more than the plan has.
#[sqlx::test(migrations = "../migrations")]
async fn many_at_once_never_take_more_than_there_is(pool: PgPool) {
    let gateway = std::sync::Arc::new(Gateway::new(pool).await);
    // Each takes ten, and the stand-in counts ten, or four where it breaks: 24 fit at once.
    allow(&gateway.app.pool, 240).await;
    let mut asking = JoinSet::new();
    for number in 0..64 {
        let gateway = gateway.clone();
        asking.spawn(async move {
            let model = if number % 3 == 0 { "breaks" } else { "plain" };
            let response = gateway.open(&with_limit(streamed(model), 8)).await;
            let status = response.status().as_u16();
            if status == 200 {
                let mut events = EventReader::new(response.into_body());
                while events.next().await.is_some() {}
            }
            (status, model)
        });
    }
    let answers = asking.join_all().await;
    assert!(
        answers
            .iter()
            .all(|(status, _)| matches!(status, 200 | 402)),
        "{answers:?}"
    );
    let expected: i64 = answers
        .iter()
        .filter(|(status, _)| *status == 200)
        .map(|(_, model)| if *model == "plain" { 10 } else { 4 })
        .sum();
    let used = gateway.used().await;
    let written: i64 = used
        .iter()
        .map(|call| call.input_tokens + call.output_tokens)
        .sum();
    assert_eq!(written, expected);
    assert_eq!(gateway.tokens().await, (expected, 0));
    assert!(expected <= 240, "{expected}");
    let admitted = answers.iter().filter(|(status, _)| *status == 200).count();
    assert!(admitted >= 24, "what fits is admitted: {admitted}");
    assert_eq!(gateway.upstream.journal.requests().len(), admitted);
}

/// However much some of them have had set aside for the next ones meanwhile.
#[sqlx::test(migrations = "../migrations")]
async fn what_fits_is_admitted_to_the_last_token(pool: PgPool) {
    let gateway = std::sync::Arc::new(Gateway::new(pool).await);
    allow(&gateway.app.pool, 640).await;
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let gateway = gateway.clone();
        asking.spawn(async move { gateway.open(&with_limit(streamed("hangs"), 8)).await });
    }
    let open = asking.join_all().await;
    let statuses: Vec<_> = open.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200; 64]);
    let refused = gateway.open(&with_limit(streamed("hangs"), 8)).await;
    assert_eq!(refused.status().as_u16(), 402);
    assert_eq!(gateway.tokens().await, (0, 640));
}

#[sqlx::test(migrations = "../migrations")]
async fn answers_say_what_is_left_of_the_minute(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    sqlx::query(
        r#"update public.tenants set limit_overrides = limit_overrides || '{"requests_per_minute": 60, "llm_tokens_per_minute": 600}' where id = $1"#,
    )
    .bind(ALPHA)
    .execute(&gateway.app.pool)
    .await
    .unwrap();
    // Two in and at most 98 out.
    for (body, remaining_tokens) in [(body("plain"), "500"), (streamed("plain"), "400")] {
        let answer = gateway.open(&with_limit(body, 98)).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("x-ratelimit-limit-requests"), "60");
        assert!(header("x-ratelimit-reset-requests").ends_with('s'));
        assert_eq!(header("x-ratelimit-limit-tokens"), "600");
        let remaining: i64 = header("x-ratelimit-remaining-tokens").parse().unwrap();
        let expected: i64 = remaining_tokens.parse().unwrap();
        // Some come back every second.
        assert!(
            (expected..expected + 100).contains(&remaining),
            "{remaining}"
        );
    }
    let refused = gateway.ask(&with_limit(body("plain"), 590)).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited".to_owned())
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(gateway.upstream.journal.requests().len(), 2);
}
