//! Images, and what is not done twice because it may be paid twice.

use std::time::Duration;

use llm::{
    BreakerPolicy, ChatRequest, ErrorKind, ImageData, ImageRequest, Providers, TimeoutPhase, Usage,
};
use serde_json::{Value, json};

use crate::support::{Aimock, BEGINNING, KEY, MODELS, Reply, Socket, builder, providers};

const MODEL: &str = "openai/gpt-image-1";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_BASE64: &str = "iVBORw0KGgo=";

fn ask() -> ImageRequest {
    ImageRequest::new(MODEL, "a heron")
}

/// What OpenAI sends, and what it may send tomorrow.
fn answer() -> Reply {
    let body = json!({
        "created": 1_700_000_000,
        "background": "opaque",
        "output_format": "png",
        "new": [1],
        "data": [{ "b64_json": PNG_BASE64, "new": {} }],
        "usage": {
            "total_tokens": 4170, "input_tokens": 10, "output_tokens": 4160, "new": null,
            "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 },
        },
    });
    document(&body)
}

fn document(body: &Value) -> Reply {
    Reply::status(
        200,
        &[("Content-Type", "application/json")],
        &body.to_string(),
    )
}

/// The provider at one address, and one that answers at another, by the name of `other`.
fn with_other(url: &str, other: &Socket) -> Providers {
    builder(url)
        .openai_compatible("other", None, &format!("{}/v1", other.url()))
        .unwrap()
        .build()
        .unwrap()
}

fn with_fallback() -> ImageRequest {
    let mut request = ask();
    request.fallback_models = vec!["other/x".into()];
    request
}

#[tokio::test]
async fn an_image_comes_as_bytes() {
    let socket = Socket::start(vec![answer()]).await;
    let made = providers(socket.url()).make_images(&ask()).await.unwrap();
    let [image] = made.images.as_slice() else {
        panic!("{made:?}");
    };
    assert_eq!(image.data, ImageData::Bytes(PNG.into()));
    assert_eq!(image.data.media_type(), Some("image/png"));
    assert_eq!(
        (made.model.as_str(), made.provider.as_str(), made.attempts),
        (MODEL, "openai", 1)
    );
    let usage = Usage {
        input_tokens: 10,
        output_tokens: 4160,
        ..Usage::default()
    };
    assert_eq!(made.usage, Some(usage));
}

#[tokio::test]
async fn it_is_asked_in_openais_words() {
    let socket = Socket::start(vec![answer()]).await;
    let providers = providers(socket.url());
    providers.make_images(&ask()).await.unwrap();
    let full = ImageRequest {
        count: Some(2),
        size: Some("1536x1024".into()),
        quality: Some("high".into()),
        background: Some("transparent".into()),
        output_format: Some("webp".into()),
        output_compression: Some(80),
        moderation: Some("low".into()),
        ..ask()
    };
    providers.make_images(&full).await.unwrap();
    let requests = socket.requests();
    let sent: Vec<Value> = requests
        .iter()
        .map(|request| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("POST /v1/images/generations HTTP/1.1\r\n"),
                "{head}"
            );
            assert!(
                head.contains(&format!("authorization: Bearer {KEY}\r\n")),
                "{head}"
            );
            serde_json::from_str(body).unwrap()
        })
        .collect();
    assert_eq!(
        sent[0],
        json!({ "model": "gpt-image-1", "prompt": "a heron" })
    );
    assert_eq!(
        sent[1],
        json!({
            "model": "gpt-image-1", "prompt": "a heron", "n": 2, "size": "1536x1024", "quality": "high",
            "background": "transparent", "output_format": "webp", "output_compression": 80, "moderation": "low",
        })
    );
}

#[tokio::test]
async fn aimock_is_understood() {
    let images = json!([{ "b64Json": PNG_BASE64, "revisedPrompt": "a grey heron" }, { "url": "https://h/x.png" }]);
    let mock = Aimock::start(json!([{ "match": {}, "response": { "images": images } }])).await;
    let made = providers(mock.url()).make_images(&ask()).await.unwrap();
    assert_eq!(made.images[0].data, ImageData::Bytes(PNG.into()));
    assert_eq!(
        made.images[0].revised_prompt.as_deref(),
        Some("a grey heron")
    );
    assert_eq!(
        made.images[1].data,
        ImageData::Url("https://h/x.png".into())
    );
    assert_eq!(made.usage, None);

    let refused = json!({ "error": { "message": "not this", "type": "image_generation_user_error", "code": "moderation_blocked" }, "status": 400 });
    mock.script(json!([{ "match": { "endpoint": "image" }, "response": refused }]))
        .await;
    let error = providers(mock.url()).make_images(&ask()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.attempts, error.may_be_billed),
        (ErrorKind::InvalidRequest, 1, false)
    );
}

#[tokio::test]
async fn what_may_have_been_billed_is_not_sent_again() {
    let timeout = ErrorKind::Timeout {
        phase: TimeoutPhase::FirstToken,
    };
    let status = |status| ErrorKind::ProviderError { status };
    let error = json!({ "error": { "message": "oh", "type": "server_error" } });
    for (reply, kind) in [
        (Reply::status(500, &[], ""), status(500)),
        (Reply::status(502, &[], ""), status(502)),
        (Reply::status(504, &[("Retry-After", "0")], ""), status(504)),
        (Reply::status(408, &[], ""), status(408)),
        (document(&error), status(500)),
        (answer().torn(), ErrorKind::Connection),
        (answer().then_silent(), timeout),
        (document(&json!("…")), ErrorKind::MalformedResponse),
        (
            document(&json!({ "data": [] })),
            ErrorKind::MalformedResponse,
        ),
        (
            document(&json!({ "data": [{}] })),
            ErrorKind::MalformedResponse,
        ),
    ] {
        let (socket, other) = (
            Socket::start(vec![reply, answer()]).await,
            Socket::start(vec![answer()]).await,
        );
        let mut request = with_fallback();
        request.timeouts.first_token = Duration::from_millis(500);
        let error = with_other(socket.url(), &other)
            .make_images(&request)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.attempts, error.may_be_billed),
            (kind, 1, true),
            "{error}"
        );
        // It may pass; whether to pay for another is the caller's to decide.
        assert!(error.is_retryable(), "{error}");
        assert_eq!(
            (socket.requests().len(), other.requests().len()),
            (1, 0),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_was_certainly_not_done_is_tried_again() {
    for refusal in [
        Reply::status(429, &[], ""),
        Reply::status(429, &[("Retry-After", "0")], ""),
        Reply::status(503, &[], ""),
    ] {
        let socket = Socket::start(vec![refusal.clone(), answer()]).await;
        let made = providers(socket.url()).make_images(&ask()).await.unwrap();
        assert_eq!(made.attempts, 2);

        let other = Socket::start(vec![answer()]).await;
        let socket = Socket::start(vec![refusal]).await;
        let providers = with_other(socket.url(), &other);
        let made = providers.make_images(&with_fallback()).await.unwrap();
        assert_eq!((made.model.as_str(), made.attempts), ("other/x", 4));
    }
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let other = Socket::start(vec![answer()]).await;
    let providers = with_other(&format!("http://{free}"), &other);
    let error = providers.make_images(&ask()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.attempts, error.may_be_billed),
        (ErrorKind::Connection, 3, false)
    );
    let made = providers.make_images(&with_fallback()).await.unwrap();
    assert_eq!(made.model, "other/x");
}

#[tokio::test]
async fn a_circuit_that_is_open_costs_nothing() {
    let socket = Socket::start(vec![Reply::status(500, &[], "")]).await;
    let other = Socket::start(vec![answer()]).await;
    let providers = builder(socket.url())
        .openai_compatible("other", None, other.url())
        .unwrap()
        .breaker(BreakerPolicy {
            failures: 1,
            ..BreakerPolicy::default()
        })
        .build()
        .unwrap();
    providers.make_images(&ask()).await.unwrap_err();
    let error = providers.make_images(&ask()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.may_be_billed, error.attempts),
        ("circuit_open", false, 0)
    );
    let made = providers.make_images(&with_fallback()).await.unwrap();
    assert_eq!((made.model.as_str(), made.attempts), ("other/x", 1));
}

#[tokio::test]
async fn tokens_that_were_counted_are_told_though_no_image_came() {
    let empty = json!({ "data": [{ "b64_json": "?" }], "usage": { "input_tokens": 3, "output_tokens": 4 } });
    let socket = Socket::start(vec![document(&empty)]).await;
    let error = providers(socket.url())
        .make_images(&ask())
        .await
        .unwrap_err();
    assert_eq!(error.usage.total_tokens(), 7);
    assert_eq!(
        error.to_string(),
        format!("{MODEL}: the provider's answer holds no image")
    );
}

#[tokio::test]
async fn only_openai_and_those_who_speak_like_it_can_be_asked() {
    let socket = Socket::start(vec![answer()]).await;
    for model in [MODELS[1], MODELS[2]] {
        let mut request = ImageRequest::new(model, "a heron");
        let error = providers(socket.url())
            .make_images(&request)
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.attempts, error.may_be_billed),
            ("unsupported", 0, false)
        );
        request.fallback_models = vec![MODEL.into()];
        let made = providers(socket.url()).make_images(&request).await.unwrap();
        assert_eq!(made.attempts, 1);
    }
}

#[tokio::test]
async fn dropping_the_call_closes_it() {
    let socket = Socket::start(vec![answer().then_silent()]).await;
    let providers = providers(socket.url());
    let request = ask();
    let call = providers.make_images(&request);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), call)
            .await
            .is_err()
    );
    socket.client_left().await;
}

#[tokio::test]
async fn chat_tells_too_whether_it_may_be_billed() {
    for model in MODELS {
        let request = ChatRequest::new(model).user("hi");
        for (replies, billed) in [
            (vec![Reply::status(429, &[], "")], false),
            (vec![Reply::status(400, &[], "")], false),
            (
                vec![Reply::status(500, &[], ""), Reply::status(429, &[], "")],
                true,
            ),
            (
                vec![Reply::events(&[
                    BEGINNING,
                    r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
                ])],
                true,
            ),
        ] {
            let socket = Socket::start(replies).await;
            let error = providers(socket.url())
                .complete(&request)
                .await
                .unwrap_err();
            assert_eq!(error.may_be_billed, billed, "{model}: {error}");
        }
    }
}
