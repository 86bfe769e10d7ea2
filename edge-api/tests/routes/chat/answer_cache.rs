//! The same question again, where the tenant wants answers to be kept.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_EDITOR, ALPHA_VIEWER, BETA, BETA_OWNER};

use super::{Gateway, PATH, body, streamed};
use crate::support::{Answer, EventReader};

const BETAS_PATH: &str = "/v1/chat/completions?tenant_id=01900000-0000-7000-8000-00000000b000";

async fn keeping(pool: PgPool) -> Gateway {
    let gateway = Gateway::new(pool).await;
    let kept =
        sqlx::query("update public.tenants set answer_cache_seconds = 60 where id in ($1, $2)")
            .bind(ALPHA)
            .bind(BETA)
            .execute(&gateway.app.pool)
            .await
            .unwrap();
    assert_eq!(kept.rows_affected(), 2);
    gateway
}

fn cold(mut body: Value) -> Value {
    body["temperature"] = 0.into();
    body
}

/// Asks, and waits until what is to be kept is.
async fn ask(gateway: &Gateway, body: &Value) -> (Answer, String) {
    let answer = gateway.ask(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.used().await;
    let cache = answer.header("x-aias-cache").unwrap_or("none").to_owned();
    (answer, cache)
}

fn said(answer: &Answer) -> Value {
    answer.json()["choices"][0]["message"]["content"].clone()
}

fn asked(gateway: &Gateway) -> usize {
    gateway.upstream.journal.requests().len()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_question_is_answered_at_no_cost(pool: PgPool) {
    let gateway = keeping(pool).await;
    let (first, cache) = ask(&gateway, &cold(body("plain"))).await;
    assert_eq!(cache, "miss");
    let (again, cache) = ask(&gateway, &cold(body("plain"))).await;
    assert_eq!(cache, "hit");
    assert_eq!(said(&again), said(&first));
    assert_eq!(again.json()["model"], "openai/plain");
    assert_eq!(again.json()["usage"]["total_tokens"], 0);
    assert_eq!(asked(&gateway), 1);
    assert_eq!(gateway.used().await.len(), 1);
    assert_eq!(gateway.tokens().await, (10, 0));

    // A warm one is asked each time, and nothing is said of a cache.
    for calls in 2..4 {
        let (_, cache) = ask(&gateway, &body("plain")).await;
        assert_eq!((cache.as_str(), asked(&gateway)), ("none", calls));
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_kept_that_nobody_wants_to_be_kept(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    for calls in 1..3 {
        let (_, cache) = ask(&gateway, &cold(body("plain"))).await;
        assert_eq!((cache.as_str(), asked(&gateway)), ("none", calls));
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from private.cached_answers")
        .fetch_one(&gateway.app.pool)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_streamed_is_kept_and_what_is_kept_is_streamed(pool: PgPool) {
    let gateway = keeping(pool).await;
    let mut texts = Vec::new();
    for _ in 0..2 {
        let answer = gateway.open(&cold(streamed("plain"))).await;
        let cache = answer.headers()["x-aias-cache"]
            .to_str()
            .unwrap()
            .to_owned();
        let mut events = EventReader::new(answer.into_body());
        let mut text = String::new();
        let mut last = String::new();
        while let Some(event) = events.next().await {
            last = event.data.clone();
            let chunk: Value = serde_json::from_str(&event.data).unwrap_or_default();
            text += chunk["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or_default();
        }
        gateway.used().await;
        texts.push((cache, text, last));
    }
    let done = |cache: &str| {
        (
            cache.to_owned(),
            "Hello there!".to_owned(),
            "[DONE]".to_owned(),
        )
    };
    assert_eq!(texts, [done("miss"), done("hit")]);
    // In one piece, too.
    let (whole, cache) = ask(&gateway, &cold(body("plain"))).await;
    assert_eq!(
        (said(&whole), cache.as_str()),
        (json!("Hello there!"), "hit")
    );
    assert_eq!(asked(&gateway), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_breaks_is_not_kept(pool: PgPool) {
    let gateway = keeping(pool).await;
    for calls in 1..3 {
        let answer = gateway.open(&cold(streamed("breaks"))).await;
        let mut events = EventReader::new(answer.into_body());
        while events.next().await.is_some() {}
        gateway.used().await;
        assert_eq!(asked(&gateway), calls);
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_request_may_ask_the_model_all_the_same(pool: PgPool) {
    let gateway = keeping(pool).await;
    ask(&gateway, &cold(body("plain"))).await;
    let with = async |directive: &str| {
        let request = gateway.app.post(PATH).by(ALPHA_EDITOR);
        let request = request.header("cache-control", directive);
        request.json(&cold(body("plain"))).send().await
    };
    let anew = with("no-cache").await;
    assert_eq!(
        (anew.header("x-aias-cache"), asked(&gateway)),
        (Some("miss"), 2)
    );
    let never = with("no-store").await;
    assert_eq!((never.header("x-aias-cache"), asked(&gateway)), (None, 3));
}

#[sqlx::test(migrations = "../migrations")]
async fn an_answer_is_one_tenants_and_its_callers(pool: PgPool) {
    let gateway = keeping(pool).await;
    ask(&gateway, &cold(body("plain"))).await;
    let betas = gateway.app.post(BETAS_PATH).by(BETA_OWNER);
    let betas = betas.json(&cold(body("plain"))).send().await;
    assert_eq!(
        (betas.status.as_u16(), betas.header("x-aias-cache")),
        (200, Some("miss"))
    );
    assert_eq!(asked(&gateway), 2);
    let viewer = gateway.app.post(PATH).by(ALPHA_VIEWER);
    let viewer = viewer.json(&cold(body("plain"))).send().await;
    assert_eq!(viewer.status, 403);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_answer_ends_with_its_time_its_agent_and_its_tenants_will(pool: PgPool) {
    let gateway = keeping(pool).await;
    let run = async |sql: &'static str| {
        let done = sqlx::query(sql).execute(&gateway.app.pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
    };
    run(
        r#"insert into public.ai_agents (tenant_id, slug, name, model, config)
           select id, 'cold', 'Cold', 'openai/plain', '{"temperature": 0}' from public.tenants where subdomain = 'alpha'"#,
    )
    .await;
    let mut question = body("plain");
    question["model"] = "agent:cold".into();
    let expect = async |wanted: &str, why: &str| {
        let (_, cache) = ask(&gateway, &question).await;
        assert_eq!(cache, wanted, "{why}");
    };
    expect("miss", "the first").await;
    expect("hit", "the second").await;
    run("update public.ai_agents set name = 'Colder' where slug = 'cold'").await;
    expect("miss", "its agent has changed").await;
    expect("hit", "and not again").await;
    run("update private.cached_answers set kept_at = now() - interval '61 seconds'").await;
    expect("miss", "its time is over").await;
    expect("hit", "and it is kept anew").await;
    run("update public.tenants set answer_cache_seconds = null where subdomain = 'alpha'").await;
    let kept: i64 = sqlx::query_scalar("select count(*) from private.cached_answers")
        .fetch_one(&gateway.app.pool)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}
