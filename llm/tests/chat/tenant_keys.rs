//! A tenant's own key, by a registry made from another.

use std::sync::Arc;
use std::time::Duration;

use llm::{BreakerPolicy, ChatRequest, ErrorKind, Providers, RetryPolicy};
use secrecy::SecretString;

use crate::own_provider::Echo;
use crate::support::{KEY, MODELS, Reply, Socket, answer, builder, providers};

const OWN: &str = "sk-tenant-abcdef0123456789";

fn own() -> SecretString {
    OWN.into()
}

fn ask(model: &str) -> ChatRequest {
    ChatRequest::new(model).user("hi")
}

fn provider(model: &str) -> &str {
    model.split_once('/').unwrap().0
}

/// One try a call; a circuit opens at the first failure and stays so.
fn strict(url: &str) -> Providers {
    builder(url)
        .retry(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        })
        .breaker(BreakerPolicy {
            failures: 1,
            cool_down: Duration::from_secs(3600),
            max_cool_down: Duration::from_secs(3600),
            ..BreakerPolicy::default()
        })
        .build()
        .unwrap()
}

#[tokio::test]
async fn one_provider_uses_it_and_the_others_do_not() {
    for (index, model) in MODELS.into_iter().enumerate() {
        let socket = Socket::start(vec![answer()]).await;
        let base = providers(socket.url());
        let tenant = base.with_key(provider(model), own(), None).unwrap();
        let other = MODELS[(index + 1) % MODELS.len()];
        for (registry, model) in [(&tenant, model), (&tenant, other), (&base, model)] {
            assert_eq!(registry.complete(&ask(model)).await.unwrap().text, "hi");
        }
        let sent = socket.requests();
        assert!(sent[0].contains(OWN) && !sent[0].contains(KEY), "{model}");
        for other in &sent[1..] {
            assert!(other.contains(KEY) && !other.contains(OWN), "{model}");
        }
    }
}

#[tokio::test]
async fn it_opens_no_connection_of_its_own() {
    for model in MODELS {
        let socket = Socket::start_kept_alive(answer()).await;
        let base = providers(socket.url());
        for number in 0..10 {
            let key = SecretString::from(format!("{OWN}{number}"));
            let tenant = base.with_key(provider(model), key, None).unwrap();
            tenant.complete(&ask(model)).await.unwrap();
            base.complete(&ask(model)).await.unwrap();
        }
        assert_eq!(socket.requests().len(), 20, "{model}");
        // Two, where a call begins before the connection of the last one is back in the pool.
        assert!(
            socket.connections() <= 2,
            "{model}: {}",
            socket.connections()
        );
    }
}

#[tokio::test]
async fn the_policies_stay() {
    let socket = Socket::start(vec![Reply::status(500, &[], "")]).await;
    let tenant = strict(socket.url())
        .with_key("openai", own(), None)
        .unwrap();
    let error = tenant.complete(&ask(MODELS[0])).await.unwrap_err();
    assert_eq!(error.attempts, 1);
    let error = tenant.complete(&ask(MODELS[0])).await.unwrap_err();
    assert_eq!(error.code(), "circuit_open");
}

#[tokio::test]
async fn each_key_has_a_circuit_of_its_own_that_outlives_the_registry() {
    for model in MODELS {
        let broken = Reply::status(500, &[], "");
        let socket = Socket::start(vec![broken, answer()]).await;
        let base = strict(socket.url());
        let name = provider(model);
        let tenant = || base.with_key(name, own(), None).unwrap();
        let code = async |registry: Providers| {
            let result = registry.complete(&ask(model)).await;
            result.map_or_else(|error| error.code(), |_| "answered")
        };
        assert_eq!(code(tenant()).await, "provider_error", "{model}");
        // The first registry is gone; what it saw is not.
        assert_eq!(code(tenant()).await, "circuit_open", "{model}");
        assert_eq!(code(tenant().clone()).await, "circuit_open", "{model}");
        let through_another = base
            .with_key("gemini", SecretString::from("x"), None)
            .unwrap();
        let again = through_another.with_key(name, own(), None).unwrap();
        assert_eq!(code(again).await, "circuit_open", "{model}");

        // Neither the operator's key nor another tenant's is held to it, nor the same key elsewhere.
        assert_eq!(code(base.clone()).await, "answered", "{model}");
        let another = base
            .with_key(name, SecretString::from("another"), None)
            .unwrap();
        assert_eq!(code(another).await, "answered", "{model}");
        let elsewhere = format!("{}/elsewhere", socket.url());
        let elsewhere = base.with_key(name, own(), Some(&elsewhere)).unwrap();
        assert_eq!(code(elsewhere).await, "answered", "{model}");
    }
}

#[tokio::test]
async fn the_operators_key_does_not_go_to_a_tenants_address() {
    let (here, there) = (
        Socket::start(vec![answer()]).await,
        Socket::start(vec![answer()]).await,
    );
    let base = providers(here.url());
    let url = format!("{}/v1", there.url());
    let keyless = base.with_key("openai", None, Some(&url)).unwrap();
    keyless.complete(&ask(MODELS[0])).await.unwrap();
    let tenant = base.with_key("openai", own(), Some(&url)).unwrap();
    tenant.complete(&ask(MODELS[0])).await.unwrap();
    let sent = there.requests();
    assert!(!sent[0].to_ascii_lowercase().contains("authorization"));
    assert!(sent[1].contains(OWN));
    assert!(!sent.concat().contains(KEY));
    assert_eq!(here.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_without_a_key_of_the_operators_can_be_called_with_a_tenants() {
    let socket = Socket::start(vec![answer()]).await;
    let base = Providers::builder().build().unwrap();
    assert_eq!(base.names().count(), 0);
    let tenant = base
        .with_key("anthropic", own(), Some(socket.url()))
        .unwrap();
    assert_eq!(tenant.names().collect::<Vec<_>>(), ["anthropic"]);
    assert_eq!(tenant.complete(&ask(MODELS[1])).await.unwrap().text, "hi");
    assert_eq!(base.names().count(), 0);
}

#[test]
fn what_cannot_be_used_is_said_at_once_and_without_the_key() {
    let base = providers("http://h").with("echo", Arc::new(Echo));
    let refused = |name: &str, key: Option<&str>, url: Option<&str>| {
        let error = base
            .with_key(name, key.map(SecretString::from), url)
            .unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
        error.kind
    };
    let wrong = ErrorKind::InvalidConfiguration;
    assert_eq!(
        refused("mistral", Some("secret"), None),
        ErrorKind::UnknownProvider
    );
    assert_eq!(refused("echo", Some("secret"), None), wrong);
    assert_eq!(refused("openai", None, None), wrong);
    assert_eq!(refused("openai", Some(" "), None), wrong);
    assert_eq!(refused("openai", Some("secret\n"), None), wrong);
    assert_eq!(
        refused("openai", Some("secret"), Some("ftp://secret@h")),
        wrong
    );
    let tenant = base
        .with_key("openai", SecretString::from("a-secret-key"), None)
        .unwrap();
    assert!(!format!("{tenant:?}").contains("secret"));
}
