//! The trait is enough to bring a provider of one's own; the registry holds it to the same promises.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use llm::{
    ChatEvent, ChatRequest, ErrorKind, EventStream, FinishReason, LlmError, Provider, Providers,
    Usage,
};

/// Says the model's name, and finishes if the model is called so.
pub struct Echo;

impl Provider for Echo {
    fn chat<'a>(
        &'a self,
        model: &'a str,
        _: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<EventStream, LlmError>> {
        let mut events = vec![Ok(ChatEvent::Text(model.to_owned()))];
        if model == "finishes" {
            events.push(Ok(ChatEvent::Finished {
                reason: FinishReason::Stop,
                usage: Usage::default(),
            }));
            events.push(Ok(ChatEvent::Text("too late".into())));
        }
        async move { Ok(stream::iter(events).boxed()) }.boxed()
    }
}

fn providers() -> Providers {
    Providers::builder()
        .build()
        .unwrap()
        .with("echo", Arc::new(Echo))
}

#[tokio::test]
async fn it_answers_under_its_name() {
    let answer = providers()
        .complete(&ChatRequest::new("echo/finishes").user("hi"))
        .await
        .unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.provider.as_str()),
        ("finishes", "echo")
    );
}

#[tokio::test]
async fn it_cannot_end_without_an_end() {
    let error = providers()
        .complete(&ChatRequest::new("echo/stops").user("hi"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.model.as_str()),
        (ErrorKind::Connection, "echo/stops")
    );
}
