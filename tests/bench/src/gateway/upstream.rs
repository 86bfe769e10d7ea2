//! A provider that answers at once, in OpenAI's protocol.

use std::convert::Infallible;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::post;
use futures::stream::{self, StreamExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ANSWER: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" there!"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// Whoever says this is answered with one word, and never with the end.
pub const ENDLESS: &str = "for ever";

pub struct Upstream {
    pub url: String,
    _server: JoinSet<()>,
}

impl Upstream {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the upstream has ended: {error}");
            }
        });
        Ok(Self {
            url,
            _server: server,
        })
    }
}

async fn answer(request: String) -> impl IntoResponse {
    let body = if request.contains(ENDLESS) {
        let first = ANSWER.split_inclusive("\n\n").next().unwrap_or_default();
        let first = stream::iter([Ok::<_, Infallible>(first)]);
        Body::from_stream(first.chain(stream::pending()))
    } else {
        Body::from(ANSWER)
    };
    ([("content-type", "text/event-stream")], body)
}
