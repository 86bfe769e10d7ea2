//! An MCP server that says what it was sent, and is broken in every way that a test asks for.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answers where it listens.
pub async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let key = parts.headers.get("authorization");
    let key = key.and_then(|value| value.to_str().ok()).unwrap_or("none");
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    };
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                               "serverInfo": {"name": "test", "version": "1"}}),
        "tools/list" => {
            let tools = ["who.am.i", "broken", "gone", "unlisted"].map(|name| {
                json!({"name": name, "description": format!("Told {key}."), "inputSchema": {"type": "object"}})
            });
            json!({ "tools": tools })
        }
        "tools/call" => match message["params"]["name"].as_str().unwrap_or_default() {
            "broken" => {
                json!({"content": [{"type": "text", "text": format!("{key} is broken")}], "isError": true})
            }
            "gone" => return StatusCode::BAD_GATEWAY.into_response(),
            _ => json!({"content": [{"type": "text", "text": format!("you are {key}")}]}),
        },
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    axum::Json(answer).into_response()
}
