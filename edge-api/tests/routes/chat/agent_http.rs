//! Agents whose model has addresses called: by HTTP and MCP, with the tenant's secrets, and nowhere that a tenant may not reach.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA_OWNER;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Gateway;
use super::agent_tools::{asked, configure};
use crate::support::secrets;
use crate::support::upstream::Line::{Asks, Says};

const SECRET: &str = "sk-of-the-shop-31337";

/// A shop with an HTTP endpoint and an MCP server, which both say what they were sent.
struct Shop {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Shop {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            _server: server,
        }
    }

    /// Beside this service, where nobody but the operator lets tools go.
    async fn with_gateway(&self, pool: PgPool, is_allowed: bool, has_vault: bool) -> Gateway {
        let allowed = if is_allowed {
            self.address.to_string()
        } else {
            String::new()
        };
        let gateway = Gateway::with(pool, |configuration| {
            let ways = outbound::Ways::new(allowed.parse().unwrap());
            configuration.models.ways = ways.unwrap();
            if !has_vault {
                configuration.vault = None;
            }
        })
        .await;
        configure(&gateway.app.pool, self.tools()).await;
        gateway
    }

    fn tools(&self) -> Value {
        json!({"tools": [{"type": "http", "name": "shop", "allow": [format!("http://{}/orders/", self.address)],
            "headers": {"Authorization": "Bearer {{ secrets.shop }}"}}]})
    }

    fn order(&self, path: &str) -> (&'static str, Value) {
        (
            "shop",
            json!({"url": format!("http://{}{path}", self.address)}),
        )
    }
}

async fn answer(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let key = parts.headers.get("authorization");
    let key = key.and_then(|value| value.to_str().ok()).unwrap_or("none");
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return match parts.uri.path() {
            "/orders/moved" => (StatusCode::FOUND, [("location", "/admin")], "").into_response(),
            path => format!("{path} for {key}").into_response(),
        };
    };
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                               "serverInfo": {"name": "shop", "version": "1"}}),
        "tools/list" => {
            json!({"tools": [{"name": "find", "description": format!("Told {key}."), "inputSchema": {"type": "object"}}]})
        }
        "tools/call" => json!({"content": [{"type": "text", "text": format!("found for {key}")}]}),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    axum::Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}

async fn keep_secret(gateway: &Gateway) {
    let kept = secrets::set(&gateway.app, ALPHA_OWNER, "shop", SECRET).await;
    assert!(kept.status.is_success(), "{kept:?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn an_address_is_called_with_a_secret_that_the_model_never_sees(pool: PgPool) {
    let shop = Shop::open().await;
    let gateway = shop.with_gateway(pool, true, true).await;
    keep_secret(&gateway).await;
    gateway.upstream.is_to_say([
        Asks(
            "",
            vec![
                shop.order("/orders/7"),
                shop.order("/admin"),
                shop.order("/orders/moved"),
            ],
        ),
        Says("Done."),
    ]);
    let answer = gateway.ask(&asked()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = gateway.upstream.journal.told();
    assert_eq!(told[0], r#"{"body":"/orders/7 for ***","status":200}"#);
    assert!(
        told[1].ends_with("is not among the allowed addresses"),
        "{told:?}"
    );
    assert!(
        told[2].ends_with("is not among the allowed addresses"),
        "{told:?}"
    );
    let all = format!("{:?}", gateway.upstream.journal.requests());
    assert!(!all.contains("31337"), "{all}");
}

#[sqlx::test(migrations = "../migrations")]
async fn no_private_address_is_called(pool: PgPool) {
    let shop = Shop::open().await;
    let gateway = shop.with_gateway(pool, false, true).await;
    keep_secret(&gateway).await;
    gateway
        .upstream
        .is_to_say([Asks("", vec![shop.order("/orders/7")]), Says("Done.")]);
    assert_eq!(gateway.ask(&asked()).await.status, 200);
    let told = gateway.upstream.journal.told();
    assert!(told[0].contains("is not a public address"), "{told:?}");

    let server =
        json!({"mcp_servers": [{"name": "crm", "url": format!("http://{}/mcp", shop.address)}]});
    configure(&gateway.app.pool, server).await;
    let other = gateway.and_another(gateway.app.pool.clone(), None).await;
    let refused = other.ask(&asked()).await;
    assert_eq!(refused.status, 502);
    assert_eq!(refused.code(), "http_blocked_address");
    assert_eq!(gateway.upstream.journal.requests().len(), 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_servers_tools_are_run_and_its_secret_comes_back_to_nobody(pool: PgPool) {
    let shop = Shop::open().await;
    let gateway = shop.with_gateway(pool, true, true).await;
    keep_secret(&gateway).await;
    let server = json!({"mcp_servers": [{"name": "crm", "url": format!("http://{}/mcp", shop.address),
        "auth": {"kind": "bearer", "token": "{{ secrets.shop }}"}}]});
    configure(&gateway.app.pool, server).await;
    gateway
        .upstream
        .is_to_say([Asks("", vec![("crm__find", json!({}))]), Says("Done.")]);
    let answer = gateway.ask(&asked()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(gateway.upstream.journal.told(), ["found for Bearer ***"]);
    let declared = &gateway.upstream.journal.requests()[0]["tools"][0]["function"];
    assert_eq!(declared["name"], "crm__find");
    assert_eq!(declared["description"], "Told Bearer ***.");
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_master_key_the_tool_is_named_and_nothing_is_paid(pool: PgPool) {
    let shop = Shop::open().await;
    let gateway = shop.with_gateway(pool, true, false).await;
    let refused = gateway.ask(&asked()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "secrets_not_configured".to_owned())
    );
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("the tool shop of this agent uses secrets"),
        "{message}"
    );
    assert_eq!(gateway.upstream.journal.requests().len(), 0);
    assert_eq!(gateway.used().await, []);
    assert_eq!(gateway.tokens().await, (0, 0));
}
