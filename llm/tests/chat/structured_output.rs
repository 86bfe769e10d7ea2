//! Answers of a given shape, checked, and repaired once.

use llm::{ChatRequest, ErrorKind, Usage};
use serde_json::{Value, json};

use crate::support::{Aimock, MODELS, Reply, Socket, providers};

fn request(model: &str) -> ChatRequest {
    let mut request = ChatRequest::new(model).user("Classify the ticket: my invoice is wrong");
    request.output_schema = Some(json!({
        "type": "object",
        "properties": { "category": { "enum": ["billing", "bug", "other"] }, "urgent": { "type": "boolean" } },
        "required": ["category", "urgent"],
        "additionalProperties": false,
    }));
    request
}

/// The answers of one model, one after the other, each of 10 tokens for 100.
fn answers(contents: &[Value]) -> Value {
    let answer = |(index, content): (usize, &Value)| {
        json!({
            "match": { "endpoint": "chat", "sequenceIndex": index },
            "response": { "content": content, "usage": { "prompt_tokens": 100, "completion_tokens": 10 } },
        })
    };
    contents.iter().enumerate().map(answer).collect()
}

#[tokio::test]
async fn data_that_matches() {
    let good = json!({ "category": "billing", "urgent": false });
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(answers(std::slice::from_ref(&good))).await;
        let answer = providers(mock.url())
            .complete(&request(model))
            .await
            .unwrap();
        assert_eq!(
            (answer.data.as_ref(), answer.attempts),
            (Some(&good), 1),
            "{model}"
        );
    }
}

#[tokio::test]
async fn data_that_does_not_match_is_repaired_once() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(answers(&[
            json!({ "category": "complaint", "urgent": false }),
            json!({ "category": "billing", "urgent": true }),
        ]))
        .await;
        let answer = providers(mock.url())
            .complete(&request(model))
            .await
            .unwrap();
        assert_eq!(
            answer.data,
            Some(json!({ "category": "billing", "urgent": true })),
            "{model}"
        );
        assert_eq!(answer.attempts, 2, "{model}");
        // Both answers were given, so both are paid.
        assert_eq!(
            answer.usage,
            Usage {
                input_tokens: 200,
                output_tokens: 20,
                ..Usage::default()
            },
            "{model}"
        );

        let asked = mock.requests().await;
        let repair = asked[1]["messages"].as_array().unwrap();
        assert!(
            repair[1]["content"].as_str().unwrap().contains("complaint"),
            "{model}: {repair:?}"
        );
        let told = repair[2]["content"].as_str().unwrap();
        assert!(
            told.contains("/category") && told.contains("complaint"),
            "{model}: {told}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_repaired_is_an_error_that_is_paid() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(answers(&[
            json!("I think it is about billing."),
            json!("Really, billing!"),
            json!({}),
        ]))
        .await;
        let error = providers(mock.url())
            .complete(&request(model))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::InvalidOutput, 2),
            "{model}: {error}"
        );
        assert_eq!(
            (error.usage.input_tokens, error.usage.output_tokens),
            (200, 20),
            "{model}"
        );
        assert!(!error.is_retryable());
        assert_eq!(error.model, model);
        assert_eq!(mock.requests().await.len(), 2, "{model}");
    }
}

#[tokio::test]
async fn json_that_max_tokens_cut_off_is_not_asked_for_again() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{ "match": {}, "response": { "content": "{\"category\": \"bil", "finishReason": "length" } }])).await;
        let error = providers(mock.url())
            .complete(&request(model))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.attempts),
            (ErrorKind::InvalidOutput, 1),
            "{model}"
        );
        assert!(error.message.contains("max_tokens"), "{model}: {error}");
    }
}

#[tokio::test]
async fn each_format_gets_the_schema_in_its_own_way() {
    // aimock reads only what it knows, so the requests are read from the wire.
    let answer = Reply::status(500, &[], "");
    for (model, place) in [
        ("openai/m", "/response_format/json_schema/schema"),
        ("anthropic/m", "/tools/0/input_schema"),
        ("gemini/m", "/generationConfig/responseJsonSchema"),
    ] {
        let socket = Socket::start(vec![answer.clone()]).await;
        let request = request(model);
        providers(socket.url())
            .complete(&request)
            .await
            .unwrap_err();
        let sent = socket.requests().remove(0);
        let body: Value = serde_json::from_str(sent.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(
            body.pointer(place),
            request.output_schema.as_ref(),
            "{model}: {body}"
        );
    }
}

#[tokio::test]
async fn anthropic_answers_by_the_call_of_our_tool() {
    let mock = Aimock::start(json!([{
        "match": { "toolName": "structured_output" },
        "response": { "toolCalls": [{ "name": "structured_output", "arguments": { "category": "bug", "urgent": true } }] },
        "chunkSize": 3,
    }]))
    .await;
    let answer = providers(mock.url())
        .complete(&request(MODELS[1]))
        .await
        .unwrap();
    assert_eq!(
        answer.data,
        Some(json!({ "category": "bug", "urgent": true }))
    );
    assert_eq!(
        (answer.tool_calls.len(), answer.finish_reason.as_str()),
        (0, "stop")
    );
}

#[tokio::test]
async fn a_refusal_is_no_data() {
    let refusal = Reply::events(&[
        r#"{"choices":[{"delta":{"refusal":"I will not."},"finish_reason":null}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ]);
    let socket = Socket::start(vec![refusal]).await;
    let error = providers(socket.url())
        .complete(&request(MODELS[0]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, socket.requests().len()),
        (ErrorKind::Refused, 1)
    );
}

#[tokio::test]
async fn a_schema_that_is_none_costs_nothing() {
    let socket = Socket::start(vec![Reply::status(500, &[], "")]).await;
    let mut request = request(MODELS[0]);
    request.output_schema = Some(json!({ "type": "objekt" }));
    let error = providers(socket.url())
        .complete(&request)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, socket.requests().len()),
        (ErrorKind::InvalidRequest, 0)
    );
}
