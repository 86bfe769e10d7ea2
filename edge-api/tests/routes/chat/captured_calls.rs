//! What was asked and answered, where the tenant wants it kept.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_EDITOR};
use uuid::Uuid;

use super::{Gateway, body, streamed};
use crate::support::EventReader;

async fn keeping(pool: PgPool) -> Gateway {
    let gateway = Gateway::new(pool).await;
    sqlx::query("update public.tenants set content_kept_days = 7 where id = $1")
        .bind(ALPHA)
        .execute(&gateway.app.pool)
        .await
        .unwrap();
    gateway
}

#[derive(Debug, sqlx::FromRow)]
struct Captured {
    key: String,
    user_id: Option<Uuid>,
    model: String,
    asked: Value,
    answered: Option<Value>,
    is_whole: bool,
    days: i32,
}

/// Once all that has ended is written down.
async fn captured(gateway: &Gateway) -> Vec<Captured> {
    gateway.used().await;
    sqlx::query_as(
        "select 'call:' || id as key, user_id, model, asked, answered, is_whole, extract(day from expires_at - created_at)::integer as days
           from public.captured_calls where tenant_id = $1 order by created_at",
    )
    .bind(ALPHA)
    .fetch_all(&gateway.app.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_kept_that_nobody_wants_to_be_kept(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    assert_eq!(gateway.ask(&body("plain")).await.status, 200);
    assert_eq!(captured(&gateway).await.len(), 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_call_is_kept_with_its_answer_and_without_what_points_at_somebody(pool: PgPool) {
    const CARD: &str = "4111 1111 1111 1111";
    let gateway = keeping(pool).await;
    let mut asked = body("plain");
    asked["messages"] = json!([
        {"role": "system", "content": "Write to ada@example.com."},
        {"role": "user", "content": format!("Charge {CARD}, \u{0} with sk-live-0123456789abcdef.")},
    ]);
    assert_eq!(gateway.ask(&asked).await.status, 200);
    let calls = captured(&gateway).await;
    let [call] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!(
        (call.user_id, call.model.as_str()),
        (Some(ALPHA_EDITOR.id), "openai/plain")
    );
    assert_eq!((call.is_whole, call.days), (true, 7));
    let text = "Charge [card], \u{fffd} with [key].";
    let message = json!({"role": "user", "content": [{"type": "text", "text": text}]});
    assert_eq!(
        call.asked,
        json!({"system": "Write to [email].", "messages": [message]})
    );
    assert_eq!(
        call.answered,
        Some(json!({"text": "Hello there!", "tool_calls": []}))
    );
    // The model was told all of it, and the row of usage is the same call's.
    let told = gateway.upstream.journal.requests()[0].to_string();
    assert!(told.contains(CARD), "{told}");
    let key: String = sqlx::query_scalar("select idempotency_key from public.usage")
        .fetch_one(&gateway.app.pool)
        .await
        .unwrap();
    assert_eq!(key, call.key);
}

#[sqlx::test(migrations = "../migrations")]
async fn as_much_is_kept_as_came(pool: PgPool) {
    let gateway = keeping(pool).await;
    for model in ["plain", "calls", "breaks", "fails"] {
        let answer = gateway.open(&streamed(model)).await;
        let mut events = EventReader::new(answer.into_body());
        while events.next().await.is_some() {}
        gateway.used().await;
    }
    let calls = captured(&gateway).await;
    let kept: Vec<_> = calls
        .iter()
        .map(|call| {
            let answered = call.answered.as_ref();
            let text = answered.map(|answered| answered["text"].clone());
            let arguments = answered.map(|answered| answered["tool_calls"][0]["arguments"].clone());
            (call.model.as_str(), text, arguments, call.is_whole)
        })
        .collect();
    let said = |text: &str| Some(json!(text));
    assert_eq!(
        kept,
        [
            (
                "openai/plain",
                said("Hello there!"),
                Some(Value::Null),
                true
            ),
            ("openai/calls", said(""), said(r#"{"city":"Ulm"}"#), true),
            ("openai/breaks", said("12345678"), Some(Value::Null), false),
            ("openai/fails", None, None, false),
        ]
    );
}

/// Of a tenant that wants both: nothing is asked anew, and nothing is kept twice.
#[sqlx::test(migrations = "../migrations")]
async fn what_is_answered_from_the_cache_is_no_call(pool: PgPool) {
    let gateway = keeping(pool).await;
    sqlx::query("update public.tenants set answer_cache_seconds = 60 where id = $1")
        .bind(ALPHA)
        .execute(&gateway.app.pool)
        .await
        .unwrap();
    let mut cold = body("plain");
    cold["temperature"] = 0.into();
    for cache in ["miss", "hit"] {
        let answer = gateway.ask(&cold).await;
        assert_eq!(answer.header("x-aias-cache"), Some(cache));
        assert_eq!(captured(&gateway).await.len(), 1);
    }
}
