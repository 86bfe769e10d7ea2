//! Published keys: fetched once for many, again for an unknown id but not too often, kept while their server is away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use edge_api::auth::{JwksPace, Verifier};
use edge_api::configuration::JwtConfiguration;
use edge_api::error::ApiError;
use serde_json::{Value, json};
use tests::seed::ALPHA_OWNER;
use tokio::net::TcpListener;

use crate::support::keys::{SigningKey, hs256_with};

/// Publishes keys over real HTTP, and counts who asks.
pub struct Server {
    address: std::net::SocketAddr,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Server {
    pub async fn start(keys: Value) -> Self {
        let keys = Arc::new(Mutex::new(keys));
        let asked = Arc::new(AtomicUsize::new(0));
        let away = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self {
            address,
            keys: keys.clone(),
            asked: asked.clone(),
            away: away.clone(),
        };
        let answer = move || async move {
            asked.fetch_add(1, Ordering::SeqCst);
            // Long enough for others to ask meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            if away.load(Ordering::SeqCst) {
                return StatusCode::BAD_GATEWAY.into_response();
            }
            keys.lock().unwrap().to_string().into_response()
        };
        let router = Router::new().route("/jwks.json", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub fn url(&self) -> reqwest::Url {
        format!("http://{}/jwks.json", self.address)
            .parse()
            .unwrap()
    }

    fn publish(&self, keys: &[&SigningKey]) {
        *self.keys.lock().unwrap() =
            json!({"keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>()});
    }

    fn verifier(&self) -> Verifier {
        self.verifier_at(JwksPace::default())
    }

    fn verifier_at(&self, jwks_pace: JwksPace) -> Verifier {
        Verifier::new(&JwtConfiguration {
            secret: None,
            jwks_url: Some(self.url()),
            jwks_pace,
            issuer: None,
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn verify(verifier: &Verifier, token: &str) -> Result<(), String> {
    verifier
        .verify(token)
        .await
        .map(|_| ())
        .map_err(|error| error.body().code)
}

#[tokio::test]
async fn both_kinds_of_published_keys_are_believed() {
    let (ec, rsa) = (SigningKey::es256("ec"), SigningKey::rs256("rsa"));
    let server = Server::start(json!({"keys": [ec.published(), rsa.published()]})).await;
    let verifier = server.verifier();
    let claims = ALPHA_OWNER.claims();
    for key in [&ec, &rsa] {
        assert_eq!(verify(&verifier, &key.sign(&claims)).await, Ok(()));
        assert_eq!(
            verify(&verifier, &key.sign_as(None, &claims)).await,
            Ok(()),
            "without an id every key of the kind is tried"
        );
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let rsa = SigningKey::rs256("rsa");
    let server = Server::start(json!({"keys": [rsa.published()]})).await;
    let verifier = server.verifier();
    verifier.warm_up().await;
    let claims = ALPHA_OWNER.claims();
    let modulus = rsa.published()["n"].as_str().unwrap().to_owned();
    for secret in [
        rsa.public_pem.as_bytes(),
        rsa.public_pem.trim().as_bytes(),
        modulus.as_bytes(),
        b"",
    ] {
        for id in [None, Some("rsa")] {
            assert_eq!(
                verify(&verifier, &hs256_with(secret, id, &claims)).await,
                Err("invalid_token".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let key = SigningKey::es256("key");
    let server = Server::start(json!({"keys": [key.published()]})).await;
    let verifier = server.verifier();
    let token = key.sign(&ALPHA_OWNER.claims());
    let all = futures::future::join_all((0..50).map(|_| verify(&verifier, &token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn invented_ids_do_not_reach_the_server() {
    let key = SigningKey::es256("key");
    let server = Server::start(json!({"keys": [key.published()]})).await;
    let verifier = server.verifier();
    verifier.warm_up().await;
    for n in 0..50 {
        let token = key.sign_as(Some(&format!("invented {n}")), &ALPHA_OWNER.claims());
        assert_eq!(
            verify(&verifier, &token).await,
            Err("invalid_token".to_owned())
        );
    }
    assert_eq!(server.asked(), 1, "asked a moment ago");
}

#[tokio::test]
async fn a_new_key_is_found_once_the_floor_has_passed() {
    let (old, new) = (SigningKey::es256("old"), SigningKey::es256("new"));
    let server = Server::start(json!({"keys": [old.published()]})).await;
    let verifier = server.verifier_at(quick());
    verifier.warm_up().await;

    server.publish(&[&old, &new]);
    let token = new.sign(&ALPHA_OWNER.claims());
    assert_eq!(
        verify(&verifier, &token).await,
        Err("invalid_token".to_owned()),
        "too soon after the last time"
    );
    tokio::time::sleep(MOMENT * 2).await;
    assert_eq!(verify(&verifier, &token).await, Ok(()));
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_not_believed_for_long() {
    let (old, new) = (SigningKey::es256("old"), SigningKey::es256("new"));
    let server = Server::start(json!({"keys": [old.published()]})).await;
    let verifier = server.verifier_at(JwksPace {
        fresh_for: MOMENT,
        ..quick()
    });
    verifier.warm_up().await;
    server.publish(&[&new]);
    let token = old.sign(&ALPHA_OWNER.claims());
    tokio::time::sleep(MOMENT * 2).await;
    // This one still finds the old key, and has the keys fetched again behind its back.
    assert_eq!(verify(&verifier, &token).await, Ok(()));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if verify(&verifier, &token).await.is_err() {
            return;
        }
    }
    panic!("still believed");
}

#[tokio::test]
async fn an_outage_keeps_the_keys() {
    let key = SigningKey::es256("key");
    let server = Server::start(json!({"keys": [key.published()]})).await;
    let verifier = server.verifier_at(quick());
    verifier.warm_up().await;
    server.away.store(true, Ordering::SeqCst);
    tokio::time::sleep(MOMENT * 2).await;
    verifier.warm_up().await;
    assert_eq!(server.asked(), 2);
    assert_eq!(
        verify(&verifier, &key.sign(&ALPHA_OWNER.claims())).await,
        Ok(())
    );
}

#[tokio::test]
async fn without_any_key_the_answer_is_not_a_verdict() {
    let key = SigningKey::es256("key");
    let server = Server::start(json!({"keys": [key.published()]})).await;
    server.away.store(true, Ordering::SeqCst);
    let verifier = server.verifier_at(quick());
    let token = key.sign(&ALPHA_OWNER.claims());
    let error = verifier.verify(&token).await.unwrap_err();
    assert!(matches!(error, ApiError::Unavailable(_)), "{error:?}");

    server.away.store(false, Ordering::SeqCst);
    tokio::time::sleep(MOMENT * 2).await;
    assert_eq!(verify(&verifier, &token).await, Ok(()));
}

/// A short floor, to be sat out.
fn quick() -> JwksPace {
    JwksPace {
        floor: MOMENT,
        floor_without_keys: MOMENT,
        fresh_for: Duration::from_secs(600),
    }
}

const MOMENT: Duration = Duration::from_millis(300);
