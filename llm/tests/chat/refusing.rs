//! A model that says no.

use llm::{ChatEvent, ChatRequest, FinishReason};

use crate::support::{MODELS, Reply, Socket, drain, providers, text};

#[tokio::test]
async fn a_refusal_is_not_taken_for_an_answer() {
    let openai = [r#"{"choices":[{"delta":{"refusal":"I will not."},"finish_reason":"stop"}]}"#];
    let anthropic = [
        r#"{"type":"content_block_delta","index":0,"delta":{"text":"I will not."}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let gemini = [
        r#"{"candidates":[{"content":{"parts":[{"text":"I will not."}]},"finishReason":"SAFETY"}]}"#,
    ];
    let streams: [(&[&str], FinishReason); 4] = [
        (&openai, FinishReason::Refusal),
        (&anthropic, FinishReason::Refusal),
        (&gemini, FinishReason::ContentFilter),
        (&openai, FinishReason::Refusal),
    ];
    for (model, (events, reason)) in MODELS.into_iter().zip(streams) {
        let socket = Socket::start(vec![Reply::events(events)]).await;
        let stream = providers(socket.url())
            .chat(&ChatRequest::new(model).user("the recipe, please"))
            .await
            .unwrap();
        let (events, error) = drain(stream).await;
        assert!(error.is_none(), "{model}: {error:?}");
        assert_eq!(text(&events), "I will not.", "{model}");
        let Some(ChatEvent::Finished { reason: said, .. }) = events.last() else {
            panic!("{model}: {events:?}");
        };
        assert_eq!(*said, reason, "{model}");
        assert_eq!(socket.requests().len(), 1, "{model}: it is not asked again");
    }
}
