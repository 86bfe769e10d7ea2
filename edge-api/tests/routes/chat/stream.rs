//! Answers piece by piece.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA_EDITOR;

use super::{Gateway, Used, streamed};
use crate::support::EventReader;

/// What the stream says, without what differs from run to run; and whether it says that it is done.
pub async fn read(gateway: &Gateway, body: &Value) -> (Vec<Value>, bool) {
    let response = gateway.open(body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = EventReader::new(response.into_body());
    let (mut chunks, mut is_done) = (Vec::new(), false);
    while let Some(event) = events.next().await {
        if event.comment.is_some() {
            continue;
        }
        assert!(!is_done, "nothing comes after the end: {event:?}");
        if event.data == "[DONE]" {
            is_done = true;
            continue;
        }
        let mut chunk = event.json();
        let object = chunk.as_object_mut().unwrap();
        object.retain(|name, _| !matches!(name.as_str(), "id" | "created" | "model" | "object"));
        chunks.push(chunk);
    }
    (chunks, is_done)
}

fn chunk(delta: Value, finish_reason: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]})
}

#[sqlx::test(migrations = "../migrations")]
async fn a_stream_in_openais_words(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let (chunks, is_done) = read(&gateway, &streamed("plain")).await;
    assert_eq!(
        chunks,
        [
            chunk(json!({"role": "assistant", "content": ""}), None),
            chunk(json!({"content": "Hello"}), None),
            chunk(json!({"content": " there!"}), None),
            chunk(json!({}), Some("stop")),
        ]
    );
    assert!(is_done);
    assert_eq!(
        gateway.used().await,
        [Used::by(ALPHA_EDITOR, "plain", (7, 2, 3), false)]
    );
    assert_eq!(gateway.tokens().await, (10, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn usage_comes_last_where_it_is_asked_for(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let mut wanted = streamed("plain");
    wanted["stream_options"] = json!({"include_usage": true});
    let (chunks, is_done) = read(&gateway, &wanted).await;
    let (last, before) = chunks.split_last().unwrap();
    assert!(
        before
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 10);
    assert!(is_done);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tool_is_called_piece_by_piece(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let (chunks, _) = read(&gateway, &streamed("calls")).await;
    let call = json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}});
    let arguments = json!({"index": 0, "function": {"arguments": "{\"city\":\"Ulm\"}"}});
    assert_eq!(
        chunks[1..],
        [
            chunk(json!({"tool_calls": [call]}), None),
            chunk(json!({"tool_calls": [arguments]}), None),
            chunk(json!({}), Some("tool_calls")),
        ]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_stream_that_breaks_says_so_and_is_paid_as_far_as_it_came(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let (chunks, is_done) = read(&gateway, &streamed("breaks")).await;
    assert!(!is_done);
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(error["code"], "llm_connection", "{chunks:?}");
    assert_eq!(error["type"], "server_error");
    assert_eq!(
        gateway.used().await,
        [Used::by(ALPHA_EDITOR, "breaks", (2, 0, 2), true)]
    );
    assert_eq!(gateway.tokens().await, (4, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_fails_before_the_first_word_is_no_stream(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let response = gateway.open(&streamed("fails")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["content-type"], "application/json");
    drop(response);
    assert_eq!(gateway.used().await, []);
    assert_eq!(gateway.tokens().await, (0, 0));
}
