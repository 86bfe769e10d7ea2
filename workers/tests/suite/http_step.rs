//! HTTP steps: what is sent, what comes back, and where they may not go.

use serde_json::{Value, json};
use workers::nodes::http::{self, Clients};
use workers::nodes::{Failure, Redaction, Success};

use crate::support::Server;

/// One without secrets.
async fn run(clients: &Clients, config: &Value) -> Result<Success, Failure> {
    http::run(clients, config, &Redaction::default()).await
}

async fn call(server: &Server, config: Value) -> Result<Value, Failure> {
    let clients = Clients::new(server.address.to_string().parse().unwrap()).unwrap();
    run(&clients, &config)
        .await
        .map(|Success { output, .. }| output)
}

#[tokio::test]
async fn a_request_is_what_the_config_says() {
    let server = Server::start().await;
    let output = call(
        &server,
        json!({"kind": "http", "method": "PUT", "url": server.url("/echo?a=1"), "query": {"b": true},
               "headers": {"X-Mine": "yes"}, "auth": {"kind": "bearer", "token": "t"}, "body": {"n": [1, null]}}),
    )
    .await
    .unwrap();
    assert_eq!(output["status"], 200);
    assert_eq!(output["headers"]["content-type"], "application/json");
    let seen = &output["body"];
    assert_eq!(
        (&seen["method"], &seen["uri"]),
        (&json!("PUT"), &json!("/echo?a=1&b=true"))
    );
    assert_eq!(seen["headers"]["x-mine"], "yes");
    assert_eq!(seen["headers"]["authorization"], "Bearer t");
    assert_eq!(seen["headers"]["content-type"], "application/json");
    assert_eq!(seen["body"], r#"{"n":[1,null]}"#);
}

#[tokio::test]
async fn a_status_that_is_no_success_is_a_failure() {
    let server = Server::start().await;
    for (status, retryable) in [
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let failure = call(
            &server,
            json!({"url": server.url(&format!("/status/{status}"))}),
        )
        .await
        .unwrap_err();
        assert_eq!(
            (&*failure.code, failure.retryable),
            ("http_status", retryable),
            "{status}"
        );
        assert_eq!(
            failure.details,
            Some(json!({"status": status, "body": "the body"}))
        );
        assert_eq!(failure.retry_after.unwrap().as_secs(), 7);
    }
}

#[tokio::test]
async fn a_large_answer_is_refused_while_it_comes() {
    let server = Server::start().await;
    assert!(
        call(&server, json!({"url": server.url("/bytes/1000000")}))
            .await
            .is_ok()
    );
    let failure = call(&server, json!({"url": server.url("/bytes/50000000")}))
        .await
        .unwrap_err();
    assert_eq!(
        (&*failure.code, failure.retryable),
        ("response_too_large", false)
    );
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let server = Server::start().await;
    let empty = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let clients = Clients::new(empty.to_string().parse().unwrap()).unwrap();
    let failure = run(
        &clients,
        &json!({"url": format!("http://{empty}/a?token=hush")}),
    )
    .await
    .unwrap_err();
    assert_eq!((&*failure.code, failure.retryable), ("http_connect", true));
    assert!(!failure.message.contains("hush"), "{}", failure.message);
    drop(server);
}

#[tokio::test]
async fn private_addresses_are_out_of_reach_however_they_are_spelled() {
    let server = Server::start().await;
    let port = server.address.port();
    // Nothing is allowed here, so the server that listens must not be reached either.
    let clients = Clients::new(Default::default()).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LOCALHOST",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let failure = run(
            &clients,
            &json!({"url": format!("http://{host}:{port}/count/x")}),
        )
        .await
        .unwrap_err();
        assert_eq!(
            (&*failure.code, failure.retryable),
            ("http_blocked_address", false),
            "{host}: {}",
            failure.message
        );
    }
    assert_eq!(server.counts.of("x"), 0);
}

#[tokio::test]
async fn an_allowed_address_is_one_port_and_not_the_host() {
    let server = Server::start().await;
    let other = Server::start().await;
    assert!(
        call(&server, json!({"url": server.url("/count/x")}))
            .await
            .is_ok()
    );
    let failure = call(&server, json!({"url": other.url("/count/x")}))
        .await
        .unwrap_err();
    assert_eq!(failure.code, "http_blocked_address");
    assert_eq!(other.counts.of("x"), 0);
}

#[tokio::test]
async fn a_redirect_cannot_lead_where_a_request_may_not_go() {
    let server = Server::start().await;
    let other = Server::start().await;
    for target in [
        other.url("/count/x"),
        format!("http://localhost:{}/count/x", other.address.port()),
    ] {
        let failure = call(
            &server,
            json!({"url": server.url(&format!("/to/302/{target}"))}),
        )
        .await
        .unwrap_err();
        assert_eq!(failure.code, "http_blocked_address");
    }
    assert_eq!(other.counts.of("x"), 0);
    let failure = call(
        &server,
        json!({"url": server.url("/to/302/file:///etc/passwd")}),
    )
    .await
    .unwrap_err();
    assert_eq!(failure.code, "http_redirect");
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start().await;
    assert_eq!(
        call(&server, json!({"url": server.url("/loop/5")}))
            .await
            .unwrap()["body"],
        "arrived"
    );
    let failure = call(&server, json!({"url": server.url("/loop/6")}))
        .await
        .unwrap_err();
    assert_eq!(
        (&*failure.code, failure.retryable),
        ("http_redirect", false)
    );
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let server = Server::start().await;
    let other = Server::start().await;
    let clients = Clients::new(
        format!("{},{}", server.address, other.address)
            .parse()
            .unwrap(),
    )
    .unwrap();
    let config = |target: String| {
        json!({"method": "POST", "url": server.url(&format!("/to/307/{target}")), "body": "text",
               "headers": {"Cookie": "a=b", "X-Api-Key": "k", "X-Plain": "p"}, "auth": {"kind": "bearer", "token": "t"}})
    };
    let seen = run(&clients, &config(server.url("/echo")))
        .await
        .unwrap()
        .output["body"]
        .clone();
    assert_eq!(seen["headers"]["authorization"], "Bearer t");
    assert_eq!(seen["headers"]["cookie"], "a=b");

    let seen = run(&clients, &config(other.url("/echo")))
        .await
        .unwrap()
        .output["body"]
        .clone();
    assert_eq!(
        (&seen["method"], &seen["body"]),
        (&json!("POST"), &json!("text"))
    );
    assert_eq!(seen["headers"]["x-plain"], "p");
    for name in ["authorization", "cookie", "x-api-key"] {
        assert_eq!(seen["headers"].get(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_post_that_is_sent_elsewhere_becomes_a_get() {
    let server = Server::start().await;
    for (status, method) in [
        (301, "GET"),
        (302, "GET"),
        (303, "GET"),
        (307, "POST"),
        (308, "POST"),
    ] {
        let url = server.url(&format!("/to/{status}/{}", server.url("/echo")));
        let output = call(
            &server,
            json!({"method": "POST", "url": url, "body": "text"}),
        )
        .await
        .unwrap();
        assert_eq!(output["body"]["method"], method, "{status}");
        assert_eq!(
            output["body"]["body"],
            if method == "POST" { "text" } else { "" }
        );
    }
}
