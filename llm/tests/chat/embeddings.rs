//! Vectors, by the two formats that have them.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use llm::{
    BreakerPolicy, ChatRequest, EmbeddingRequest, Embeddings, ErrorKind, EventStream, LlmError,
    Provider, RetryPolicy, TimeoutPhase, Usage,
};
use serde_json::{Value, json};

use crate::support::{Aimock, KEY, Reply, Socket, builder, providers};

const MODELS: [&str; 2] = [
    "openai/text-embedding-3-small",
    "gemini/gemini-embedding-001",
];

fn ask(model: &str) -> EmbeddingRequest {
    EmbeddingRequest::new(model).input("one").input("two")
}

fn document(body: &Value) -> Reply {
    Reply::status(
        200,
        &[("Content-Type", "application/json")],
        &body.to_string(),
    )
}

/// An answer in both formats, with what neither has today.
fn vectors(vectors: &Value) -> Reply {
    let vectors = vectors.as_array().unwrap();
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({ "index": index, "embedding": vector, "new": {} }))
        .collect();
    let embeddings: Vec<Value> = vectors
        .iter()
        .map(|vector| json!({ "values": vector, "new": [1] }))
        .collect();
    document(&json!({
        "new": null,
        "data": data,
        "model": 7,
        "usage": { "prompt_tokens": 5, "total_tokens": 5, "new": "x" },
        "embeddings": embeddings,
    }))
}

fn sent(request: &str) -> (&str, Value) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (
        head.lines().next().unwrap(),
        serde_json::from_str(body).unwrap(),
    )
}

#[tokio::test]
async fn each_input_gets_its_vector() {
    for model in MODELS {
        let socket = Socket::start(vec![vectors(&json!([[0.5, -1], [1e-3, 2.25]]))]).await;
        let answer = providers(socket.url()).embed(&ask(model)).await.unwrap();
        assert_eq!(answer.vectors, [[0.5, -1.0], [0.001, 2.25]], "{model}");
        assert_eq!(
            (answer.model.as_str(), answer.attempts),
            (model, 1),
            "{model}"
        );
        assert!(model.starts_with(&answer.provider));
        let counted = Usage {
            input_tokens: 5,
            ..Usage::default()
        };
        // Gemini does not count.
        let usage = model.starts_with("openai/").then_some(counted);
        assert_eq!(answer.usage, usage, "{model}");
    }
}

#[tokio::test]
async fn it_is_asked_in_the_providers_words() {
    let answer = vectors(&json!([[1, 2, 3], [1, 2, 3]]));
    let socket = Socket::start(vec![answer]).await;
    for model in MODELS {
        for dimensions in [None, Some(3)] {
            let mut request = ask(model);
            request.dimensions = dimensions;
            providers(socket.url()).embed(&request).await.unwrap();
        }
    }
    let requests = socket.requests();
    let all: Vec<_> = requests.iter().map(|request| sent(request)).collect();
    let openai = "POST /v1/embeddings HTTP/1.1";
    let plain = json!({ "model": "text-embedding-3-small", "input": ["one", "two"] });
    assert_eq!(all[0], (openai, plain.clone()));
    let mut shorter = plain;
    shorter["dimensions"] = 3.into();
    assert_eq!(all[1], (openai, shorter));

    let gemini = "POST /v1beta/models/gemini-embedding-001:batchEmbedContents HTTP/1.1";
    let one = |text| json!({ "model": "models/gemini-embedding-001", "content": { "parts": [{ "text": text }] } });
    assert_eq!(
        all[2],
        (gemini, json!({ "requests": [one("one"), one("two")] }))
    );
    assert_eq!(all[3].1["requests"][1]["outputDimensionality"], 3);
    for (request, header) in [
        (&requests[0], format!("authorization: Bearer {KEY}\r\n")),
        (&requests[2], format!("x-goog-api-key: {KEY}\r\n")),
    ] {
        assert!(request.contains(&header), "{request}");
    }
}

#[tokio::test]
async fn aimock_is_understood() {
    let mock = Aimock::start(json!([])).await;
    let mut request = ask(MODELS[0]);
    request.dimensions = Some(16);
    let answer = providers(mock.url()).embed(&request).await.unwrap();
    assert_eq!(
        answer.vectors.iter().map(Vec::len).collect::<Vec<_>>(),
        [16, 16]
    );
    assert_ne!(answer.vectors[0], answer.vectors[1]);

    let limited = json!({ "error": { "message": "slowly" }, "status": 429, "retryAfter": 120 });
    mock.script(json!([{ "match": {}, "response": limited }]))
        .await;
    let error = providers(mock.url()).embed(&request).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(error.to_string(), format!("{}: slowly", MODELS[0]));
}

#[tokio::test]
async fn too_few_too_many_and_ragged_vectors_are_malformed() {
    for model in MODELS {
        for (wrong, said) in [
            (json!([[1, 2]]), "1 vectors for 2 inputs"),
            (json!([[1], [2], [3]]), "3 vectors for 2 inputs"),
            (json!([]), "0 vectors for 2 inputs"),
            (json!([[1, 2], [1]]), "of different lengths"),
            (json!([[], []]), "empty"),
            (json!([[1], [1e300]]), "not of its protocol's shape"),
            (
                json!([["secret"], [1]]),
                "not of its protocol's shape, at line 1",
            ),
            (json!([[1], null]), "not of its protocol's shape"),
        ] {
            let socket = Socket::start(vec![vectors(&wrong)]).await;
            let error = providers(socket.url())
                .embed(&ask(model))
                .await
                .unwrap_err();
            assert_eq!(
                (error.kind, error.attempts),
                (ErrorKind::MalformedResponse, 3),
                "{model}: {wrong}: {error}"
            );
            let text = error.to_string();
            assert!(text.contains(said) && !text.contains("secret"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_far_too_long_is_not_read() {
    let long = format!(
        r#"{{"data":[],"embeddings":[],"x":"{}"}}"#,
        "x".repeat(2 << 20)
    );
    for model in MODELS {
        let socket = Socket::start(vec![Reply::status(200, &[], &long)]).await;
        let error = providers(socket.url())
            .embed(&ask(model))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{model}");
        assert!(
            error.to_string().contains("longer than 1536 KiB"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn base64_is_read_where_it_comes_unasked() {
    let infinite = vectors(&json!(["AACAPw==", "AACAfw=="]));
    let good = vectors(&json!(["AACAPwAAAMA=", [0.5, 0.25]]));
    let socket = Socket::start(vec![infinite, good]).await;
    let once = RetryPolicy {
        max_attempts: 1,
        ..RetryPolicy::default()
    };
    let providers = builder(socket.url()).retry(once).build().unwrap();
    let error = providers.embed(&ask(MODELS[0])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
    assert!(error.to_string().contains("not finite"), "{error}");
    let answer = providers.embed(&ask(MODELS[0])).await.unwrap();
    assert_eq!(answer.vectors, [[1.0, -2.0], [0.5, 0.25]]);
}

#[tokio::test]
async fn other_dimensions_than_were_asked_for_are_said_once() {
    for model in MODELS {
        let socket = Socket::start(vec![vectors(&json!([[1, 2], [3, 4]]))]).await;
        let mut request = ask(model);
        request.dimensions = Some(3);
        let error = providers(socket.url()).embed(&request).await.unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::InvalidOutput, 1),
            "{model}"
        );
        let paid = if model.starts_with("openai/") { 5 } else { 0 };
        assert_eq!(error.usage.input_tokens, paid, "{model}");
    }
}

#[tokio::test]
async fn an_error_is_read_whatever_status_it_comes_with() {
    for model in MODELS {
        for status in [200, 400] {
            let body = format!(
                r#"{{"error":{{"message":"no, {KEY}","type":"invalid_request_error","status":"INVALID_ARGUMENT"}}}}"#
            );
            let socket = Socket::start(vec![Reply::status(status, &[], &body)]).await;
            let error = providers(socket.url())
                .embed(&ask(model))
                .await
                .unwrap_err();
            assert_eq!(
                (error.kind, error.attempts),
                (ErrorKind::InvalidRequest, 1),
                "{model}: {status}"
            );
            assert_eq!(error.to_string(), format!("{model}: no, [key]"));
        }
    }
}

#[tokio::test]
async fn it_is_retried_and_falls_back() {
    for (model, fallback) in [(MODELS[0], MODELS[1]), (MODELS[1], MODELS[0])] {
        let good = vectors(&json!([[1], [2]]));
        let busy = Reply::status(503, &[], "");
        let torn = document(&json!({ "data": [] })).torn();
        let socket = Socket::start(vec![busy.clone(), torn, good.clone()]).await;
        let answer = providers(socket.url()).embed(&ask(model)).await.unwrap();
        assert_eq!((answer.model.as_str(), answer.attempts), (model, 3));

        let socket = Socket::start(vec![busy.clone(), busy.clone(), busy, good]).await;
        let mut request = ask(model);
        request.fallback_models = vec![fallback.into()];
        let answer = providers(socket.url()).embed(&request).await.unwrap();
        assert_eq!((answer.model.as_str(), answer.attempts), (fallback, 4));
    }
}

#[tokio::test]
async fn it_ends_in_time_and_when_it_is_dropped() {
    for model in MODELS {
        let silent = Socket::start(vec![document(&json!({})).then_silent()]).await;
        let once = RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        };
        let providers = builder(silent.url()).retry(once).build().unwrap();
        let mut request = ask(model);
        request.timeouts.first_token = Duration::from_millis(200);
        let error = providers.embed(&request).await.unwrap_err();
        let phase = TimeoutPhase::FirstToken;
        assert_eq!(error.kind, ErrorKind::Timeout { phase }, "{model}");
        silent.client_left().await;

        let request = ask(model);
        let call = providers.embed(&request);
        assert!(
            tokio::time::timeout(Duration::from_millis(300), call)
                .await
                .is_err()
        );
        silent.client_left().await;
    }
}

#[tokio::test]
async fn it_has_the_same_circuit_as_chat() {
    for model in MODELS {
        let socket = Socket::start(vec![Reply::status(500, &[], "")]).await;
        let policy = BreakerPolicy {
            failures: 3,
            ..BreakerPolicy::default()
        };
        let providers = builder(socket.url()).breaker(policy).build().unwrap();
        let error = providers.embed(&ask(model)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ProviderError { status: 500 });
        for error in [
            providers.embed(&ask(model)).await.unwrap_err(),
            providers
                .complete(&ChatRequest::new(model).user("hi"))
                .await
                .unwrap_err(),
        ] {
            assert_eq!((error.code(), error.attempts), ("circuit_open", 0));
        }
        assert_eq!(socket.requests().len(), 3, "{model}");
    }
}

#[tokio::test]
async fn anthropic_has_none() {
    let socket = Socket::start(vec![vectors(&json!([[1], [2]]))]).await;
    let providers = providers(socket.url());
    let mut request = ask("anthropic/claude-haiku-4-5");
    let error = providers.embed(&request).await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable(), error.attempts),
        ("unsupported", false, 0)
    );
    assert_eq!(
        error.to_string(),
        "anthropic/claude-haiku-4-5: the provider has no embedding models"
    );
    assert_eq!(socket.requests().len(), 0);

    request.fallback_models = vec![MODELS[1].into()];
    let answer = providers.embed(&request).await.unwrap();
    assert_eq!((answer.model.as_str(), answer.attempts), (MODELS[1], 1));
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let error = providers("http://h")
        .embed(&EmbeddingRequest::new(MODELS[0]))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::InvalidRequest, 0));
    assert_eq!(
        error.to_string(),
        format!("{}: there is no input to make vectors of", MODELS[0])
    );
}

/// Answers with one vector, however many were asked for.
struct Careless;

impl Provider for Careless {
    fn chat<'a>(
        &'a self,
        _: &'a str,
        _: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        unreachable!("nobody chats here")
    }

    fn embed<'a>(
        &'a self,
        _: &'a str,
        _: &'a EmbeddingRequest,
    ) -> BoxFuture<'a, Result<Embeddings, LlmError>> {
        async { Ok(Embeddings::new(vec![vec![1.0]], None)) }.boxed()
    }
}

#[tokio::test]
async fn a_provider_of_ones_own_is_held_to_the_same() {
    let providers = providers("http://h").with("own", Arc::new(Careless));
    let one = EmbeddingRequest::new("own/x").input("one");
    let answer = providers.embed(&one).await.unwrap();
    assert_eq!(
        (answer.vectors, answer.provider),
        (vec![vec![1.0]], "own".into())
    );
    let error = providers.embed(&ask("own/x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
}
