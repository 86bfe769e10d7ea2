//! What a collector is sent.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use traces::Traces;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

/// Answers one request, and what it had in it.
fn collector() -> (String, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let collecting = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&request) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the request ends too early");
            request.extend_from_slice(&buffer[..count]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        request
    });
    (address, collecting)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some(head) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.trim().parse::<usize>().ok())
        .unwrap_or(0);
    request.len() >= head + 4 + length
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn spans_of_models_are_sent_and_no_others() {
    let (address, collecting) = collector();
    let traces = Traces::to(&address, "edge-api").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let _statement =
            info_span!(target: "sqlx", "query", statement = "claims of somebody").entered();
        let call = info_span!(
            target: "llm", "llm call",
            otel.name = "chat gpt-4o-mini",
            gen_ai.request.model = "gpt-4o-mini",
            gen_ai.usage.input_tokens = tracing::field::Empty,
        );
        call.record("gen_ai.usage.input_tokens", 7);
        let _inner = call.enter();
        tracing::info!(target: "edge_api", "a line of the log");
    });
    drop(traces);
    let request = collecting.join().unwrap();
    for sent in [
        "POST /v1/traces",
        "edge-api",
        "chat gpt-4o-mini",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
    ] {
        assert!(contains(&request, sent), "{sent} is not sent");
    }
    for kept in ["claims of somebody", "a line of the log"] {
        assert!(!contains(&request, kept), "{kept} is sent");
    }
}

#[test]
fn where_nothing_is_said_nothing_is_sent() {
    assert!(Traces::from_environment("edge-api").unwrap().is_none());
}
