mod aimock;
mod socket;

use std::time::Duration;

use futures::StreamExt;
use llm::{ChatEvent, ChatStream, LlmError, Providers, ProvidersBuilder, RetryPolicy};

pub use aimock::Aimock;
pub use socket::{Reply, Socket};

pub const KEY: &str = "sk-test-0123456789abcdef";

/// A model of each wire format, and of a server that speaks OpenAI's under a name of its own.
pub const MODELS: [&str; 4] = [
    "openai/gpt-4o-mini",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
    "vllm/llama-3.1-8b",
];

/// An event that says "so far" in every format.
pub const BEGINNING: &str = r#"{"choices":[{"delta":{"content":"so far"}}],"type":"content_block_delta","index":0,"delta":{"text":"so far"},"candidates":[{"content":{"parts":[{"text":"so far"}]}}]}"#;

/// A whole answer that says "hi", in every format.
pub fn answer() -> Reply {
    Reply::events(&[
        r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}],"type":"content_block_delta","index":0,"delta":{"text":"hi"},"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"{"type":"message_stop"}"#,
    ])
}

/// All providers at one address, with waits that a test can afford.
pub fn builder(url: &str) -> ProvidersBuilder {
    let key = || Some(KEY.to_owned().into());
    Providers::builder()
        .openai(key(), Some(&format!("{url}/v1")))
        .and_then(|builder| builder.anthropic(key(), Some(url)))
        .and_then(|builder| builder.gemini(key(), Some(url)))
        .and_then(|builder| builder.openai_compatible("vllm", key(), &format!("{url}/v1")))
        .expect("the stand-in's address is a URL")
        .retry(RetryPolicy {
            initial: Duration::from_millis(5),
            max: Duration::from_millis(20),
            ..RetryPolicy::default()
        })
}

pub fn providers(url: &str) -> Providers {
    builder(url).build().expect("the providers are complete")
}

/// The events up to the end, and the error at which they ended, if any.
pub async fn drain(mut stream: ChatStream) -> (Vec<ChatEvent>, Option<LlmError>) {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(
                    stream.next().await.is_none(),
                    "something came after the error"
                );
                return (events, Some(error));
            }
        }
    }
    (events, None)
}

pub fn text(events: &[ChatEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        ChatEvent::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
