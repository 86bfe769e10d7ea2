//! Answers in one piece.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT, ALPHA_EDITOR, ALPHA_OWNER, ALPHA_VIEWER};

use super::{Gateway, PATH, Used, body};
use crate::support::ApiKey;
use crate::support::upstream::OPERATORS_KEY;

#[sqlx::test(migrations = "../migrations")]
async fn a_model_answers_and_is_paid(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let answer = gateway.ask(&body("plain")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut answer = answer.json();
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(answer["created"].as_i64().unwrap() > 1_700_000_000);
    let object = answer.as_object_mut().unwrap();
    object.retain(|name, _| !matches!(name.as_str(), "id" | "created"));
    assert_eq!(
        answer,
        json!({
            "object": "chat.completion",
            "model": "openai/plain",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there!", "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
                "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 0}},
        })
    );
    assert_eq!(
        gateway.used().await,
        [Used::by(ALPHA_EDITOR, "plain", (7, 2, 3), false)]
    );
    assert_eq!(gateway.tokens().await, (10, 0));
    assert_eq!(
        gateway.upstream.journal.keys(),
        [format!("Bearer {OPERATORS_KEY}")]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tool_is_called(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let mut wanted = body("calls");
    wanted["tools"] = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let answer = gateway.ask(&wanted).await.json();
    assert_eq!(
        answer["choices"][0]["message"],
        json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Ulm\"}"}}]})
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let asked = &gateway.upstream.journal.requests()[0];
    assert_eq!(asked["tools"][0]["function"]["name"], "weather");
}

#[sqlx::test(migrations = "../migrations")]
async fn an_agent_plays_its_role(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let key = ApiKey::create(&gateway.app.pool, ALPHA_OWNER, ALPHA, &["models.call"]).await;
    let mut wanted = body("plain");
    wanted["model"] = "agent:greeter".into();
    // The key says whose.
    let request = gateway.app.post("/v1/chat/completions").bearer(&key.key);
    let answer = request.json(&wanted).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["model"], "openai/gpt-4o-mini");
    let asked = &gateway.upstream.journal.requests()[0];
    assert_eq!(asked["model"], "gpt-4o-mini");
    assert_eq!(asked["messages"][0]["role"], "system");
    assert_eq!(asked["messages"][1]["content"], "12345678");
    let used = gateway.used().await;
    assert_eq!(
        (used[0].user_id, used[0].api_key_id, used[0].agent_id),
        (None, Some(key.id), Some(ALPHA_AGENT))
    );

    wanted["model"] = "agent:nobody".into();
    let answer = gateway.ask(&wanted).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, "agent_not_found".to_owned())
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn usage_says_which_version_of_an_agent_was_asked(pool: PgPool) {
    let gateway = Gateway::new(pool.clone()).await;
    let mut wanted = body("plain");
    assert_eq!(gateway.ask(&wanted).await.status, 200);
    wanted["model"] = "agent:greeter".into();
    assert_eq!(gateway.ask(&wanted).await.status, 200);
    gateway.used().await;
    sqlx::query(
        r#"update public.ai_agents set config = config || '{"temperature": 0.5}' where id = $1"#,
    )
    .bind(ALPHA_AGENT)
    .execute(&pool)
    .await
    .unwrap();
    // One that does not know yet how the agent was.
    let another = gateway.and_another(pool.clone(), None).await;
    assert_eq!(another.ask(&wanted).await.status, 200);
    another.used().await;
    let versions: Vec<Option<i32>> = sqlx::query_scalar(
        "select agent_version from public.usage where idempotency_key like 'call:%' order by created_at",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(versions, [None, Some(1), Some(2)]);
}

#[sqlx::test(migrations = "../migrations")]
async fn errors_are_told_in_both_words(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let viewer = gateway.app.post(PATH).by(ALPHA_VIEWER);
    let refused = viewer.json(&body("plain")).send().await;
    insta::assert_snapshot!(refused.snapshot(), @r#"
    403 Forbidden
    {
      "code": "forbidden",
      "details": null,
      "error": {
        "code": "forbidden",
        "message": "your role may not do this; ask for the permission models.call",
        "param": null,
        "type": "permission_error"
      },
      "hint": "ask for the permission models.call",
      "message": "your role may not do this"
    }
    "#);

    let nobody = gateway.app.post(PATH).json(&body("plain")).send().await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    assert_eq!(nobody.json()["error"]["type"], "authentication_error");

    let strange = gateway.ask(&json!({"model": 7})).await;
    assert_eq!(strange.json()["error"]["code"], "invalid_body");
    let nowhere = json!({"model": "x", "messages": [{"role": "user", "content": "x"}]});
    let nowhere = gateway.ask(&nowhere).await;
    assert_eq!(
        (nowhere.status.as_u16(), nowhere.code()),
        (400, "llm_invalid_model_name".to_owned())
    );
    assert_eq!(gateway.upstream.journal.requests(), Vec::<Value>::new());

    let failed = gateway.ask(&body("fails")).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (502, "llm_provider_error".to_owned())
    );
    assert_eq!(failed.json()["error"]["type"], "server_error");
    // What is wrong with the operator's key is not for tenants.
    let key = gateway.ask(&body("has-no-such-key")).await;
    assert_eq!(
        (key.status.as_u16(), key.code()),
        (502, "llm_authentication".to_owned())
    );
    assert!(!key.text().contains("Incorrect"), "{}", key.text());

    assert_eq!(gateway.used().await, []);
    assert_eq!(gateway.tokens().await, (0, 0), "nothing stays set aside");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_provider_that_never_counts_is_counted_for(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    assert_eq!(gateway.ask(&body("uncounted")).await.status, 200);
    // "Hello there!" has 12 characters.
    let used = gateway.used().await;
    assert_eq!(used, [Used::by(ALPHA_EDITOR, "uncounted", (2, 0, 3), true)]);
    assert_eq!(gateway.tokens().await, (5, 0));
}
