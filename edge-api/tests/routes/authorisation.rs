//! Every route by every kind of caller, in one table. A route that is not in it fails the test at the end.

mod table;

use std::collections::BTreeSet;

use edge_api::auth::JwksPace;
use edge_api::configuration::JwtConfiguration;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER, ALPHA_VIEWER, ALPHA_WORKFLOW, BETA, BETA_OWNER, STRANGER};
use uuid::Uuid;

use self::table::{ALL_SCOPES, Door, READ_SCOPES, ROUTES, Route, Statuses};
use crate::support::keys::{SigningKey, hs256_with, hs256_with_critical_extension, unsigned};
use crate::support::upstream::Upstream;
use crate::support::{
    ApiKey, Hook, SECRET, STRIPE_SECRET, TestApp, billing, exports, providers, secrets, stripe,
};

fn body(route: &Route) -> Option<Value> {
    match (route.method, route.path) {
        (_, "/v1/executions") => Some(json!({"workflow_id": ALPHA_WORKFLOW})),
        (_, "/v1/chat/completions") => Some(
            json!({"model": "openai/plain", "messages": [{"role": "user", "content": "Hello!"}]}),
        ),
        (_, "/v1/embeddings") => Some(json!({"model": "openai/vectors", "input": "Hello!"})),
        (_, "/webhooks/stripe") => Some(stripe::event("evt_1")),
        (_, "/v1/billing/checkout") => Some(billing::wanted("professional")),
        (_, "/v1/billing/purchases") => Some(
            json!({"listing_id": billing::listing("greeter"), "success_url": billing::BACK, "cancel_url": billing::BACK}),
        ),
        (_, "/v1/billing/portal") => Some(json!({"return_url": billing::BACK})),
        (_, "/v1/billing/subscription") => Some(json!({"action": "cancel"})),
        ("PUT", "/v1/secrets/{name}") => Some(json!({"value": "hunter2"})),
        ("PUT", "/v1/providers/{provider}") => Some(json!({"key": "sk-hunter2"})),
        _ => None,
    }
}

/// The address, about something of Alpha's that is there and untouched.
async fn address(app: &TestApp, route: &Route) -> String {
    if route.path.contains("{token}") {
        let hook = Hook::publish(&app.pool, json!({"kind": "webhook"})).await;
        return format!("{}{}", hook.path, route.query);
    }
    if route.path.contains("{name}") {
        // There whatever the caller before has done to it.
        let answer = secrets::set(app, ALPHA_OWNER, "stripe", "hunter2").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let path = route.path.replace("{name}", "stripe");
        return format!("{path}{}", route.query);
    }
    if route.path.contains("{provider}") {
        let answer = providers::set(app, ALPHA_OWNER, "openai", "sk-hunter2").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let path = route.path.replace("{provider}", "openai");
        return format!("{path}{}", route.query);
    }
    let id = match route.path {
        path if !path.contains("{id}") => Uuid::nil(),
        "/v1/exports/{id}" => exports::ready(&app.pool, &["{}\n"]).await,
        _ => app.start(ALPHA_OWNER).await,
    };
    format!(
        "{}{}",
        route.path.replace("{id}", &id.to_string()),
        route.query
    )
}

/// Sends without a wait for the end of the body: a stream would not end.
async fn status(
    app: &TestApp,
    route: &Route,
    path: &str,
    token: Option<&str>,
) -> (u16, Option<String>) {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    let mut request = Request::builder().method(route.method).uri(path);
    if matches!(route.door, Door::Open(_)) {
        request = request.header("host", "alpha.apps.test");
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let ("/webhooks/stripe", Some(body)) = (route.path, body(route)) {
        let signature = stripe::signature(STRIPE_SECRET, stripe::now(), &body.to_string());
        request = request.header("stripe-signature", signature);
    }
    let request = match body(route) {
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    let response = app.router.clone().oneshot(request.unwrap()).await.unwrap();
    let challenge = response
        .headers()
        .get("www-authenticate")
        .map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge)
}

#[sqlx::test(migrations = "../migrations")]
async fn who_may_what(pool: PgPool) {
    let published = SigningKey::rs256("published");
    let keys = crate::jwks::Server::start(json!({"keys": [published.published()]})).await;
    let upstream = Upstream::start().await;
    let shop = tests::stripe::Stripe::start().await;
    let app = TestApp::with(pool, |configuration| {
        configuration.stripe_api = Some(billing::api(&shop.url, tests::stripe::KEY));
        configuration.return_urls = billing::return_urls();
        configuration.models.providers = upstream.providers();
        configuration.jwt = JwtConfiguration {
            secret: Some(SECRET.into()),
            jwks_url: Some(keys.url()),
            jwks_pace: JwksPace::default(),
            issuer: None,
        };
        configuration.hosts.base_domain = Some("apps.test".parse().unwrap());
    })
    .await;

    billing::sell(&app.pool, &shop).await;
    billing::publish(&app.pool, BETA, "greeter", ("one_time", None)).await;

    let claims = ALPHA_OWNER.claims();
    let stranger_key = SigningKey::rs256("published");
    let mut tampered = claims.sign(SECRET);
    tampered.replace_range(tampered.len() - 4.., "AAAA");
    let key =
        async |person, tenant, scopes| ApiKey::create(&app.pool, person, tenant, scopes).await;
    let revoked = key(ALPHA_OWNER, ALPHA, ALL_SCOPES).await;
    revoked.revoke(&app.pool, ALPHA_OWNER).await;
    let over = key(ALPHA_OWNER, ALPHA, ALL_SCOPES).await;
    over.end_in(&app.pool, -1).await;
    let refused = [
        ("no credential", None),
        (
            "another secret",
            Some(claims.sign("another-secret-that-also-has-more-than-32-bytes")),
        ),
        ("a signature cut off", Some(tampered)),
        (
            "alg none",
            Some(unsigned(&json!({"alg": "none", "typ": "JWT"}), &claims)),
        ),
        ("alg None", Some(unsigned(&json!({"alg": "None"}), &claims))),
        (
            "HS256 without a signature",
            Some(unsigned(&json!({"alg": "HS256"}), &claims)),
        ),
        (
            "HS256 with the public key as secret",
            Some(hs256_with(published.public_pem.as_bytes(), None, &claims)),
        ),
        (
            "the same with the key's id",
            Some(hs256_with(
                published.public_pem.as_bytes(),
                Some("published"),
                &claims,
            )),
        ),
        (
            "RS256 by another key of the same id",
            Some(stranger_key.sign(&claims)),
        ),
        ("expired", Some(claims.clone().expired().sign(SECRET))),
        (
            "expired, published key",
            Some(published.sign(&claims.clone().expired())),
        ),
        (
            "a critical extension",
            Some(hs256_with_critical_extension(SECRET.as_bytes(), &claims)),
        ),
        ("not a token", Some("hello".to_owned())),
        ("a revoked key", Some(revoked.key)),
        ("a key that is over", Some(over.key)),
        (
            "an unknown key",
            Some(format!("aias_01234567_{}", "A".repeat(43))),
        ),
        ("half a key", Some("aias_01234567_A".to_owned())),
    ];
    let good = key(ALPHA_OWNER, ALPHA, ALL_SCOPES).await.key;
    let reads = key(ALPHA_OWNER, ALPHA, READ_SCOPES).await.key;
    let something_else = key(ALPHA_OWNER, ALPHA, &["usage.read"]).await.key;
    let of_another_tenant = key(BETA_OWNER, BETA, ALL_SCOPES).await.key;
    type Status = fn(&Statuses) -> u16;
    let callers: [(&str, String, Status); 7] = [
        ("stranger", STRANGER.token(SECRET), |door| door.stranger),
        ("viewer", ALPHA_VIEWER.token(SECRET), |door| door.viewer),
        ("owner", published.sign(&claims), |door| door.owner),
        ("key", good, |door| door.key),
        ("key that reads", reads, |door| door.key_that_reads),
        ("key for something else", something_else, |door| {
            door.key_for_something_else
        }),
        ("key of another tenant", of_another_tenant, |door| {
            door.key_of_another_tenant
        }),
    ];

    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        let path = address(&app, route).await;
        for (credential, token) in &refused {
            let (status, challenge) = status(&app, route, &path, token.as_deref()).await;
            match route.door {
                Door::Open(open) => assert_eq!(status, open, "{name} with {credential}"),
                Door::Credential(_) => {
                    assert_eq!(status, 401, "{name} with {credential}");
                    assert!(
                        challenge.is_some_and(|challenge| challenge.starts_with("Bearer")),
                        "{name} with {credential}"
                    );
                }
            }
        }
        for (caller, token, of_caller) in &callers {
            let expected = match &route.door {
                Door::Open(open) => *open,
                Door::Credential(statuses) => of_caller(statuses),
            };
            let path = address(&app, route).await;
            let (status, _) = status(&app, route, &path, Some(token)).await;
            assert_eq!(status, expected, "{name} by {caller}");
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_route_is_in_the_table(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let description = app.get("/openapi.json").send().await.json();
    let takes_both = json!([{"session": []}, {"api_key": []}]);
    let described: BTreeSet<(String, String, bool)> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("methods")
                .iter()
                .map(|(method, operation)| {
                    let asks = operation["security"] == takes_both;
                    (method.to_uppercase(), path.clone(), asks)
                })
        })
        .collect();
    let tested: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| {
            let asks = matches!(route.door, Door::Credential(_));
            (route.method.to_owned(), route.path.to_owned(), asks)
        })
        .collect();
    assert_eq!(described, tested);
}

/// `routes!` adds a route together with its description. The other ways to add one would leave it out of the table's sight.
#[test]
fn no_route_is_added_without_a_description() {
    fn rust_files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rust_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut files = Vec::new();
    rust_files(&tests::repository().join("edge-api/src"), &mut files);
    assert!(files.len() > 20);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for other_way in [".route(\"", ".nest(\"", ".route_service(", ".nest_service("] {
            assert!(
                !text.contains(other_way),
                "{} uses {other_way}",
                file.display()
            );
        }
    }
}
