//! What goes wrong at a provider, and what we make of it.

use std::time::{Duration, Instant};

use llm::{ChatRequest, ErrorKind, RetryPolicy, TimeoutPhase};
use serde_json::{Value, json};

use crate::support::{Aimock, BEGINNING, MODELS, Reply, Socket, builder, drain, providers, text};

fn error(status: u16) -> Value {
    json!({ "error": { "message": "not now", "type": "server_error" }, "status": status })
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_was_asked() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        let mut limited = error(429);
        limited["retryAfter"] = json!(1);
        mock.script(json!([
            { "match": { "endpoint": "chat", "sequenceIndex": 0 }, "response": limited },
            { "match": { "endpoint": "chat", "sequenceIndex": 1 }, "response": { "content": "now" } },
        ]))
        .await;
        let began = Instant::now();
        let answer = providers(mock.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.attempts),
            ("now", 2),
            "{model}"
        );
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "{model}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_the_callers_to_decide() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        let mut limited = error(429);
        limited["retryAfter"] = json!(120);
        mock.script(json!([{ "match": {}, "response": limited }]))
            .await;
        let error = providers(mock.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::RateLimited {
                retry_after: Some(Duration::from_secs(120))
            },
            "{model}"
        );
        assert_eq!(
            (error.retry_after(), error.attempts),
            (Some(Duration::from_secs(120)), 1),
            "{model}"
        );
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn a_model_that_fails_gives_way_to_the_next() {
    let mock = Aimock::start(json!([])).await;
    for (model, fallback) in [
        (MODELS[0], MODELS[1]),
        (MODELS[1], MODELS[2]),
        (MODELS[2], MODELS[3]),
        (MODELS[3], MODELS[0]),
    ] {
        let name = |full: &str| full.split_once('/').unwrap().1.to_owned();
        mock.script(json!([
            { "match": { "model": name(model) }, "response": error(500) },
            { "match": { "model": name(fallback) }, "response": { "content": "I can" } },
        ]))
        .await;
        let mut request = ChatRequest::new(model).user("hi");
        request.fallback_models = vec![fallback.into()];
        let answer = providers(mock.url()).complete(&request).await.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.model.as_str()),
            ("I can", fallback)
        );
        assert_eq!(answer.attempts, 4, "three for {model}, one for {fallback}");
        let asked: Vec<Value> = mock
            .requests()
            .await
            .into_iter()
            .map(|mut body| body["model"].take())
            .collect();
        assert_eq!(
            asked,
            [name(model), name(model), name(model), name(fallback)]
        );
    }
}

#[tokio::test]
async fn when_all_fail_the_error_names_all() {
    let mock = Aimock::start(json!([{ "match": {}, "response": error(503) }])).await;
    let mut request = ChatRequest::new(MODELS[0]).user("hi");
    request.fallback_models = vec![MODELS[1].into()];
    let error = providers(mock.url()).complete(&request).await.unwrap_err();
    assert_eq!(
        (error.kind, error.attempts),
        (ErrorKind::Overloaded { retry_after: None }, 6)
    );
    assert_eq!(error.model, MODELS[0]);
    assert!(error.to_string().contains(MODELS[1]), "{error}");
}

#[tokio::test]
async fn a_request_that_is_wrong_is_sent_once_and_to_nobody_else() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{ "match": {}, "response": error(400) }]))
            .await;
        let mut request = ChatRequest::new(model).user("hi");
        request.fallback_models = MODELS.map(str::to_owned).into();
        let error = providers(mock.url()).complete(&request).await.unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::InvalidRequest, 1),
            "{model}"
        );
        assert_eq!(error.to_string(), format!("{model}: not now"));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_protocol_is_tried_again_and_then_named() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{ "match": {}, "response": { "content": "x" }, "chaos": { "malformedRate": 1 } }])).await;
        let error = providers(mock.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::MalformedResponse, 3),
            "{model}"
        );
    }
}

#[tokio::test]
async fn garbage_in_the_middle_of_a_stream_ends_it() {
    let first = [BEGINNING, "{\"choices\": <<<"];
    for model in MODELS {
        let socket = Socket::start(vec![Reply::events(&first)]).await;
        let stream = providers(socket.url())
            .chat(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        let (events, error) = drain(stream).await;
        assert_eq!(text(&events), "so far", "{model}");
        let error = error.unwrap();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{model}: {error}");
        assert!(
            !error.to_string().contains("<<<"),
            "what was said does not belong into an error: {error}"
        );
        assert_eq!(socket.requests().len(), 1, "{model}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_not_begun_anew() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{
            "match": {},
            "response": { "content": "a long answer that nobody will hear to its end", "usage": { "prompt_tokens": 9, "completion_tokens": 30 } },
            "chunkSize": 4,
            "truncateAfterChunks": 5,
            // What was said reaches us before the connection ends.
            "latency": 80,
        }]))
        .await;
        let request = ChatRequest::new(model).user("hi");
        let stream = providers(mock.url()).chat(&request).await.unwrap();
        let (events, error) = drain(stream).await;
        assert!(text(&events).starts_with("a lo"), "{model}: {events:?}");
        let error = error.unwrap();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::Connection, 1),
            "{model}: {error}"
        );
        assert_eq!(error.model, model);
        assert_eq!(mock.requests().await.len(), 1, "{model}");

        // Nor behind the back of one who waits for the whole: what was said is paid.
        let error = providers(mock.url()).complete(&request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{model}: {error}");
        assert_eq!(mock.requests().await.len(), 2, "{model}");
        if model.starts_with("anthropic/") {
            assert_eq!(
                error.usage.input_tokens, 9,
                "Anthropic counts before it speaks"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_but_politely_is_broken_all_the_same() {
    for model in MODELS {
        let socket = Socket::start(vec![Reply::events(&[BEGINNING])]).await;
        let error = providers(socket.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{model}: {error}");
    }
}

#[tokio::test]
async fn a_model_that_is_slow_to_begin_gives_way_to_one_that_is_not() {
    let mock = Aimock::start(json!([])).await;
    for (model, fallback) in [
        (MODELS[0], MODELS[1]),
        (MODELS[1], MODELS[2]),
        (MODELS[2], MODELS[3]),
        (MODELS[3], MODELS[0]),
    ] {
        let name = |full: &str| full.split_once('/').unwrap().1.to_owned();
        mock.script(json!([
            { "match": { "model": name(model) }, "response": { "content": "…" }, "streamingProfile": { "ttft": 60_000 } },
            { "match": { "model": name(fallback) }, "response": { "content": "here" } },
        ]))
        .await;
        let once = RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        };
        let providers = builder(mock.url()).retry(once).build().unwrap();
        let mut request = ChatRequest::new(model).user("hi");
        request.timeouts.first_token = Duration::from_millis(300);
        let error = providers.complete(&request).await.unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::Timeout {
                phase: TimeoutPhase::FirstToken
            },
            "{model}: {error}"
        );

        request.fallback_models = vec![fallback.into()];
        request.timeouts.first_token = Duration::from_secs(5);
        let mut slow = request.clone();
        slow.timeouts.first_token = Duration::from_millis(300);
        let answer = providers.complete(&slow).await.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.model.as_str(), answer.attempts),
            ("here", fallback, 2)
        );
    }
}

#[tokio::test]
async fn the_time_for_the_whole_call_ends_retries_and_streams() {
    for model in MODELS {
        let mut request = ChatRequest::new(model).user("hi");
        request.timeouts.total = Duration::from_millis(400);

        let socket = Socket::start(vec![Reply::events(&[BEGINNING]).then_silent()]).await;
        let stream = providers(socket.url()).chat(&request).await.unwrap();
        let (events, error) = drain(stream).await;
        assert_eq!(text(&events), "so far", "{model}");
        assert_eq!(
            error.unwrap().kind,
            ErrorKind::Timeout {
                phase: TimeoutPhase::Total
            },
            "{model}"
        );
        socket.client_left().await;

        let socket = Socket::start(vec![Reply::status(503, &[("Retry-After", "10")], "")]).await;
        let error = providers(socket.url()).chat(&request).await.unwrap_err();
        assert_eq!(
            error.retry_after(),
            Some(Duration::from_secs(10)),
            "{model}: there is no time to wait"
        );
        assert_eq!(socket.requests().len(), 1, "{model}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for model in MODELS {
        let error = providers(&format!("http://user:secret@{free}"))
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::Connection, 3),
            "{model}: {error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }
}
