//! Who goes away takes the call with them.

use std::time::Duration;

use futures::StreamExt;
use llm::ChatRequest;

use crate::support::{BEGINNING, MODELS, Reply, Socket, providers};

#[tokio::test]
async fn dropping_the_stream_closes_the_call() {
    for model in MODELS {
        let socket = Socket::start(vec![Reply::events(&[BEGINNING]).then_silent()]).await;
        let mut stream = providers(socket.url())
            .chat(&ChatRequest::new(model).user("hi"))
            .await
            .unwrap();
        assert!(stream.next().await.unwrap().is_ok(), "{model}");
        drop(stream);
        socket.client_left().await;
    }
}

#[tokio::test]
async fn dropping_the_call_before_the_first_word_closes_it_too() {
    for model in MODELS {
        let socket = Socket::start(vec![Reply::events(&[]).then_silent()]).await;
        let providers = providers(socket.url());
        let request = ChatRequest::new(model).user("hi");
        let call = providers.complete(&request);
        assert!(
            tokio::time::timeout(Duration::from_millis(300), call)
                .await
                .is_err(),
            "{model}"
        );
        socket.client_left().await;
    }
}
