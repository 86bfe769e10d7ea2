//! Vectors of texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA_EDITOR;

use super::{Gateway, Used};
use crate::support::Answer;

async fn ask(gateway: &Gateway, body: &Value) -> Answer {
    let path = "/v1/embeddings?tenant_id=01900000-0000-7000-8000-00000000a000";
    let request = gateway.app.post(path).by(ALPHA_EDITOR);
    request.json(body).send().await
}

#[sqlx::test(migrations = "../migrations")]
async fn one_vector_for_each_text_in_either_way_of_writing(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let mut wanted = json!({"model": "openai/vectors", "input": ["one", "two"]});
    let answer = ask(&gateway, &wanted).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({
            "object": "list",
            "model": "openai/vectors",
            "data": [
                {"object": "embedding", "index": 0, "embedding": [0.0, 0.5]},
                {"object": "embedding", "index": 1, "embedding": [1.0, 0.5]},
            ],
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        })
    );
    wanted["encoding_format"] = "base64".into();
    wanted["input"] = "one".into();
    let answer = ask(&gateway, &wanted).await.json();
    let bytes = STANDARD.decode(answer["data"][0]["embedding"].as_str().unwrap());
    let expected: Vec<u8> = [0.0_f32, 0.5]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    assert_eq!(bytes.unwrap(), expected);

    let used = gateway.used().await;
    let call = || Used::by(ALPHA_EDITOR, "vectors", (4, 0, 0), false);
    assert_eq!(used, [call(), call()]);
    assert_eq!(gateway.tokens().await, (8, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_has_none_says_so(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let agent = ask(&gateway, &json!({"model": "agent:greeter", "input": "x"})).await;
    assert_eq!(
        (agent.status.as_u16(), agent.code()),
        (400, "invalid_body".to_owned())
    );
    let failed = ask(&gateway, &json!({"model": "openai/fails", "input": "x"})).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (502, "llm_provider_error".to_owned())
    );
    assert_eq!(failed.json()["error"]["code"], "llm_provider_error");
    assert_eq!(gateway.used().await, []);
    assert_eq!(gateway.tokens().await, (0, 0));
}
