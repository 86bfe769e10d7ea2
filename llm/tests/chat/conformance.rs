//! The same conversation gives the same answer, whichever format it is held in.

use llm::{ChatEvent, ChatRequest, FinishReason, Usage};
use serde_json::json;

use crate::support::{Aimock, MODELS, Reply, Socket, drain, providers, text};

#[tokio::test]
async fn a_plain_answer() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        mock.script(json!([{
            "match": { "userMessage": "capital of France" },
            "response": { "content": "Paris", "usage": { "prompt_tokens": 11, "completion_tokens": 3 } },
        }]))
        .await;
        let mut request = ChatRequest::new(model)
            .system("Be brief.")
            .user("What is the capital of France?");
        request.temperature = Some(0.25);
        request.max_tokens = Some(99);
        let answer = providers(mock.url()).complete(&request).await.unwrap();

        assert_eq!(answer.text, "Paris", "{model}");
        assert_eq!(answer.model, model);
        assert_eq!(answer.provider, model.split('/').next().unwrap());
        assert_eq!(answer.finish_reason, FinishReason::Stop, "{model}");
        let usage = Usage {
            input_tokens: 11,
            output_tokens: 3,
            ..Usage::default()
        };
        assert_eq!(answer.usage, usage, "{model}");
        assert_eq!(
            (answer.attempts, answer.data, answer.tool_calls),
            (1, None, Vec::new()),
            "{model}"
        );

        let asked = &mock.requests().await[0];
        assert_eq!(
            asked["messages"][0],
            json!({ "role": "system", "content": "Be brief." }),
            "{model}"
        );
        assert_eq!(
            asked["messages"][1]["content"], "What is the capital of France?",
            "{model}"
        );
        assert_eq!(asked["model"], model.split_once('/').unwrap().1);
        assert_eq!(
            (&asked["temperature"], &asked["max_tokens"]),
            (&json!(0.25), &json!(99)),
            "{model}"
        );
    }
}

#[tokio::test]
async fn a_stream_of_many_pieces() {
    let mock = Aimock::start(json!([])).await;
    let story = "Once upon a time there was a crab who could not count. ".repeat(200);
    for model in MODELS {
        mock.script(json!([{
            "match": { "userMessage": "story" },
            "response": { "content": story, "usage": { "prompt_tokens": 5, "completion_tokens": 2400 } },
            "chunkSize": 7,
        }]))
        .await;
        let stream = providers(mock.url())
            .chat(&ChatRequest::new(model).user("story"))
            .await
            .unwrap();
        assert_eq!((stream.model(), stream.attempts()), (model, 1));
        let (events, error) = drain(stream).await;

        assert!(error.is_none(), "{model}: {error:?}");
        assert_eq!(text(&events), story, "{model}");
        assert!(events.len() > 1000, "{model}: {} events", events.len());
        let finished: Vec<_> = events
            .iter()
            .filter(|event| matches!(event, ChatEvent::Finished { .. }))
            .collect();
        let usage = Usage {
            input_tokens: 5,
            output_tokens: 2400,
            ..Usage::default()
        };
        assert_eq!(
            finished,
            [&ChatEvent::Finished {
                reason: FinishReason::Stop,
                usage
            }],
            "{model}"
        );
        assert!(
            matches!(events.last(), Some(ChatEvent::Finished { .. })),
            "{model}"
        );
    }
}

#[tokio::test]
async fn every_character_survives_every_cut() {
    let mock = Aimock::start(json!([])).await;
    // aimock cuts by UTF-16 units, through the middle of the crab.
    let written =
        "🦀 żółć «日本語» \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \"\\ \u{0}\n\u{2028} end";
    for model in MODELS {
        for size in [1, 2, 3, 5] {
            mock.script(json!([{
                "match": { "userMessage": "characters" },
                "response": { "content": written },
                "chunkSize": size,
            }]))
            .await;
            let answer = providers(mock.url())
                .complete(&ChatRequest::new(model).user("characters"))
                .await
                .unwrap();
            assert_eq!(answer.text, written, "{model}, {size} at a time");
        }
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    // aimock refuses to be that terse.
    let whole = [
        r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}]}"#,
        r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}"#,
    ];
    for (model, event) in MODELS.into_iter().zip(whole) {
        let socket = Socket::start(vec![Reply::events(&[event])]).await;
        let answer = providers(socket.url())
            .complete(&ChatRequest::new(model).user("nothing"))
            .await
            .unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.finish_reason),
            ("", FinishReason::Stop),
            "{model}"
        );
        assert_eq!(answer.attempts, 1, "{model}");
    }
}

#[tokio::test]
async fn reasons_to_stop_have_one_name() {
    let mock = Aimock::start(json!([])).await;
    for model in MODELS {
        for (theirs, ours) in [
            ("length", FinishReason::Length),
            ("something_new", FinishReason::Other),
            ("stop", FinishReason::Stop),
        ] {
            mock.script(json!([{
                "match": { "userMessage": "stop" },
                "response": { "content": "well", "finishReason": theirs },
            }]))
            .await;
            let answer = providers(mock.url())
                .complete(&ChatRequest::new(model).user("stop"))
                .await
                .unwrap();
            assert_eq!(answer.finish_reason, ours, "{model}, {theirs}");
        }
    }
}

#[tokio::test]
async fn reasoning_is_told_apart_from_the_answer() {
    let mock = Aimock::start(json!([])).await;
    for model in [
        "openai/o3",
        "anthropic/claude-opus-4-5",
        "gemini/gemini-2.5-pro",
    ] {
        mock.script(json!([{
            "match": { "userMessage": "think" },
            "response": { "content": "42", "reasoning": "Six times seven, that is forty-two." },
        }]))
        .await;
        let stream = providers(mock.url())
            .chat(&ChatRequest::new(model).user("think"))
            .await
            .unwrap();
        let (events, error) = drain(stream).await;
        assert!(error.is_none(), "{model}: {error:?}");
        let thought: String = events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::Reasoning(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(
            (thought.as_str(), text(&events).as_str()),
            ("Six times seven, that is forty-two.", "42"),
            "{model}"
        );
    }
}
