//! What providers do beyond their documentation, or began to do after it was read.

use llm::{ChatEvent, ChatRequest, ErrorKind, FinishReason, Usage};

use crate::support::{MODELS, Reply, Socket, drain, providers, text};

async fn answer(model: &str, events: &[&str]) -> llm::Completion {
    let whole = Socket::start(vec![Reply::events(events)]).await;
    let answer = providers(whole.url())
        .complete(&ChatRequest::new(model).user("hi"))
        .await
        .unwrap();
    // However the bytes arrive.
    let cut = Socket::start(vec![Reply::events(events).in_bytes()]).await;
    let again = providers(cut.url())
        .complete(&ChatRequest::new(model).user("hi"))
        .await
        .unwrap();
    assert_eq!(
        (&again.text, again.usage, again.finish_reason),
        (&answer.text, answer.usage, answer.finish_reason)
    );
    answer
}

#[tokio::test]
async fn openai_with_fields_and_values_nobody_knows() {
    let answer = answer(
        "openai/m",
        &[
            r#"{"object":"chat.completion.chunk.v9","choices":[{"index":0,"delta":{"role":"oracle","content":null,"mood":{"good":[1,2]}}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"Par"},{"type":"hologram"}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"is"},"finish_reason":null}],"usage":null}"#,
            r#"[]"#,
            r#""noise""#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"service_tier":"quantum"}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":100.0,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":64,"new":1},"completion_tokens_details":{"reasoning_tokens":7}}}"#,
            "[DONE]",
        ],
    )
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.finish_reason),
        ("Paris", FinishReason::Stop)
    );
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 20,
        cached_input_tokens: 64,
        cache_write_input_tokens: 0,
        reasoning_tokens: 7,
    };
    assert_eq!(answer.usage, usage);
}

#[tokio::test]
async fn openai_calls_without_numbers_or_all_with_the_same() {
    let answer = answer(
        "openai/m",
        &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":{"y":2}}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        ],
    )
    .await;
    let calls: Vec<_> = answer
        .tool_calls
        .iter()
        .map(|call| {
            (
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
            )
        })
        .collect();
    assert_eq!(calls, [("a", "f", r#"{"x":1}"#), ("b", "g", r#"{"y":2}"#)]);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn anthropic_with_events_and_blocks_nobody_knows() {
    let answer = answer(
        "anthropic/m",
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":50,"cache_creation_input_tokens":40,"output_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"telepathy_started","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Paris"}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{}}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":25}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    )
    .await;
    assert_eq!(
        (
            answer.text.as_str(),
            answer.finish_reason,
            answer.tool_calls.len()
        ),
        ("Paris", FinishReason::Stop, 0)
    );
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 25,
        cached_input_tokens: 50,
        cache_write_input_tokens: 40,
        reasoning_tokens: 0,
    };
    assert_eq!(answer.usage, usage);
}

#[tokio::test]
async fn gemini_with_parts_nobody_knows_and_a_signature() {
    let answer = answer(
        "gemini/m",
        &[
            r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"executableCode":{"code":"1"}},{"text":"Paris"}]}}],"modelVersion":"x"}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"sig"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":20,"thoughtsTokenCount":30,"toolUsePromptTokenCount":5}}"#,
        ],
    )
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.finish_reason),
        ("Paris", FinishReason::ToolCalls)
    );
    assert_eq!(answer.tool_calls[0].signature.as_deref(), Some("sig"));
    let usage = Usage {
        input_tokens: 105,
        output_tokens: 50,
        cached_input_tokens: 60,
        cache_write_input_tokens: 0,
        reasoning_tokens: 30,
    };
    assert_eq!(answer.usage, usage);
}

#[tokio::test]
async fn gemini_blocks_a_prompt_without_a_word() {
    let answer = answer("gemini/m", &[r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}"#]).await;
    assert_eq!(
        (answer.text.as_str(), answer.finish_reason),
        ("", FinishReason::ContentFilter)
    );
}

#[tokio::test]
async fn an_error_instead_of_the_first_word_is_tried_again() {
    for (model, failure, success) in [
        (
            "openai/m",
            vec![r#"{"error":{"message":"upstream","code":502}}"#],
            vec![r#"{"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}"#],
        ),
        (
            "anthropic/m",
            vec![
                r#"{"type":"message_start","message":{"usage":{"input_tokens":3}}}"#,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            ],
            vec![
                r#"{"type":"content_block_delta","index":0,"delta":{"text":"ok"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            ],
        ),
        (
            "gemini/m",
            vec![
                r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            ],
            vec![r#"{"candidates":[{"content":{"parts":[{"text":"ok"}]},"finishReason":"STOP"}]}"#],
        ),
    ] {
        let socket = Socket::start(vec![Reply::events(&failure), Reply::events(&success)]).await;
        let answer = providers(socket.url())
            .complete(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.attempts),
            ("ok", 2),
            "{model}"
        );
    }
}

#[tokio::test]
async fn an_error_after_the_first_word_is_passed_on() {
    for (model, kind, events) in [
        (
            "openai/m",
            ErrorKind::ProviderError { status: 500 },
            [
                r#"{"choices":[{"delta":{"content":"so far"}}]}"#,
                r#"{"error":{"message":"sorry","type":"server_error","code":null}}"#,
            ],
        ),
        (
            "anthropic/m",
            ErrorKind::Overloaded { retry_after: None },
            [
                r#"{"type":"content_block_delta","index":0,"delta":{"text":"so far"}}"#,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"sorry"}}"#,
            ],
        ),
        (
            "gemini/m",
            ErrorKind::RateLimited { retry_after: None },
            [
                r#"{"candidates":[{"content":{"parts":[{"text":"so far"}]}}]}"#,
                r#"{"error":{"message":"sorry","status":"RESOURCE_EXHAUSTED"}}"#,
            ],
        ),
    ] {
        let socket = Socket::start(vec![Reply::events(&events)]).await;
        let stream = providers(socket.url())
            .chat(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        let (events, error) = drain(stream).await;
        assert_eq!((text(&events).as_str(), events.len()), ("so far", 1));
        assert_eq!(error.unwrap().kind, kind, "{model}");
    }
}

#[tokio::test]
async fn a_connection_that_is_torn_after_the_end_harms_nobody() {
    let ends = [
        (
            "openai/m",
            vec![
                r#"{"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}"#,
                "[DONE]",
            ],
        ),
        (
            "anthropic/m",
            vec![
                r#"{"type":"content_block_delta","index":0,"delta":{"text":"ok"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
        ),
    ];
    for (model, events) in ends {
        let socket = Socket::start(vec![Reply::events(&events).torn()]).await;
        let stream = providers(socket.url())
            .chat(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        let (events, error) = drain(stream).await;
        assert!(error.is_none(), "{model}: {error:?}");
        assert!(
            matches!(events.last(), Some(ChatEvent::Finished { .. })),
            "{model}"
        );
    }
}

#[tokio::test]
async fn a_stream_of_nothing_is_malformed() {
    for model in MODELS {
        for nothing in [
            Reply::events(&[]),
            Reply::status(200, &[("Content-Type", "text/plain")], "hello\n\nworld"),
        ] {
            let socket = Socket::start(vec![nothing]).await;
            let error = providers(socket.url())
                .complete(&ChatRequest::new(model).user("hi"))
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::MalformedResponse, "{model}: {error}");
        }
    }
}

#[tokio::test]
async fn a_document_under_a_good_status_is_read_for_the_error_in_it() {
    for model in MODELS {
        for (content_type, body, kind) in [
            (
                "application/json",
                r#"{"error":{"message":"m","type":"overloaded_error"}}"#,
                ErrorKind::Overloaded { retry_after: None },
            ),
            (
                "application/json; charset=utf-8",
                r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]"#,
                ErrorKind::RateLimited { retry_after: None },
            ),
            (
                "application/json",
                r#"{"hello":"world"}"#,
                ErrorKind::MalformedResponse,
            ),
            (
                "text/html",
                "<html>Please log in</html>",
                ErrorKind::MalformedResponse,
            ),
        ] {
            let socket = Socket::start(vec![Reply::status(
                200,
                &[("Content-Type", content_type)],
                body,
            )])
            .await;
            let error = providers(socket.url())
                .complete(&ChatRequest::new(model).user("hi"))
                .await
                .unwrap_err();
            assert_eq!(error.kind, kind, "{model}: {body}");
        }
    }
}
