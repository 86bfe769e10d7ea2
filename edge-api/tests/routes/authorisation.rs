//! Every route by every kind of caller, in one table. A route that is not in it fails the test at the end.

use std::collections::BTreeSet;

use edge_api::auth::JwksPace;
use edge_api::configuration::JwtConfiguration;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA_OWNER, ALPHA_VIEWER, ALPHA_WORKFLOW, STRANGER};

use crate::support::keys::{SigningKey, hs256_with, hs256_with_critical_extension, unsigned};
use crate::support::{SECRET, TestApp};

struct Route {
    method: &'static str,
    path: &'static str,
    door: Door,
}

enum Door {
    /// Anybody, with or without a credential: the status is this.
    Open(u16),
    /// The signed-in, by what they may: the statuses for a stranger, a viewer and an owner.
    SignedIn {
        stranger: u16,
        viewer: u16,
        owner: u16,
    },
}

const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/executions",
        door: Door::SignedIn {
            stranger: 404,
            viewer: 403,
            owner: 202,
        },
    },
    Route {
        method: "GET",
        path: "/v1/executions/{id}",
        door: Door::SignedIn {
            stranger: 404,
            viewer: 200,
            owner: 200,
        },
    },
    Route {
        method: "GET",
        path: "/v1/executions/{id}/events",
        door: Door::SignedIn {
            stranger: 404,
            viewer: 200,
            owner: 200,
        },
    },
    Route {
        method: "POST",
        path: "/v1/executions/{id}/cancel",
        door: Door::SignedIn {
            stranger: 404,
            viewer: 403,
            owner: 200,
        },
    },
    Route {
        method: "GET",
        path: "/healthz",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/readyz",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/metrics",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/openapi.json",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/docs",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/docs/page.css",
        door: Door::Open(200),
    },
    Route {
        method: "GET",
        path: "/docs/page.js",
        door: Door::Open(200),
    },
];

fn body(route: &Route) -> Option<Value> {
    (route.path == "/v1/executions").then(|| json!({"workflow_id": ALPHA_WORKFLOW}))
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
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
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
    let app = TestApp::with(pool, |configuration| {
        configuration.jwt = JwtConfiguration {
            secret: Some(SECRET.into()),
            jwks_url: Some(keys.url()),
            jwks_pace: JwksPace::default(),
            issuer: None,
        };
    })
    .await;

    let claims = ALPHA_OWNER.claims();
    let stranger_key = SigningKey::rs256("published");
    let mut tampered = claims.sign(SECRET);
    tampered.replace_range(tampered.len() - 4.., "AAAA");
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
    ];
    let people = [
        ("stranger", STRANGER.token(SECRET)),
        ("viewer", ALPHA_VIEWER.token(SECRET)),
        ("owner", published.sign(&claims)),
    ];

    for route in ROUTES {
        let id = app.start(ALPHA_OWNER).await;
        let path = route.path.replace("{id}", &id.to_string());
        let name = format!("{} {}", route.method, route.path);
        for (credential, token) in &refused {
            let (status, challenge) = status(&app, route, &path, token.as_deref()).await;
            match route.door {
                Door::Open(open) => assert_eq!(status, open, "{name} with {credential}"),
                Door::SignedIn { .. } => {
                    assert_eq!(status, 401, "{name} with {credential}");
                    assert!(
                        challenge.is_some_and(|challenge| challenge.starts_with("Bearer")),
                        "{name} with {credential}"
                    );
                }
            }
        }
        for (person, token) in &people {
            let expected = match (&route.door, *person) {
                (Door::Open(open), _) => *open,
                (Door::SignedIn { stranger, .. }, "stranger") => *stranger,
                (Door::SignedIn { viewer, .. }, "viewer") => *viewer,
                (Door::SignedIn { owner, .. }, _) => *owner,
            };
            let (status, _) = status(&app, route, &path, Some(token)).await;
            assert_eq!(status, expected, "{name} by {person}");
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_route_is_in_the_table(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let description = app.get("/openapi.json").send().await.json();
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("methods")
                .keys()
                .map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let tested: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
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
