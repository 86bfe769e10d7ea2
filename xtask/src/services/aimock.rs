//! The stand-in for LLM providers: it speaks the protocols of OpenAI, Anthropic and Gemini and answers from fixtures.

use std::collections::BTreeMap;
use std::env;

use crate::layout;
use crate::ports::Ports;
use crate::supervisor::{Ready, Service, Stop};

/// A provider, as the environment of the services names it.
struct Provider {
    key: &'static str,
    base_url: &'static str,
    /// What follows the stand-in's address.
    path: &'static str,
    may_want_no_key: bool,
}

const PROVIDERS: [Provider; 4] = [
    Provider {
        key: "OPENAI_API_KEY",
        base_url: "OPENAI_BASE_URL",
        path: "/v1",
        may_want_no_key: false,
    },
    Provider {
        key: "ANTHROPIC_API_KEY",
        base_url: "ANTHROPIC_BASE_URL",
        path: "",
        may_want_no_key: false,
    },
    Provider {
        key: "GEMINI_API_KEY",
        base_url: "GEMINI_BASE_URL",
        path: "",
        may_want_no_key: false,
    },
    Provider {
        key: "OPENAI_COMPATIBLE_API_KEY",
        base_url: "OPENAI_COMPATIBLE_BASE_URL",
        path: "/v1",
        may_want_no_key: true,
    },
];

/// The providers that this environment has a key for: they are called for real, and cost real money.
pub fn real_providers() -> Vec<&'static str> {
    PROVIDERS
        .iter()
        .filter(|provider| has_key(provider))
        .map(|provider| provider.key.trim_end_matches("_API_KEY"))
        .collect()
}

/// Points every provider without a key to the stand-in.
pub fn provider_environment(address: &str) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for provider in PROVIDERS.iter().filter(|provider| !has_key(provider)) {
        environment.insert(provider.key.to_owned(), stand_in_key(provider));
        environment.insert(
            provider.base_url.to_owned(),
            format!("{address}{}", provider.path),
        );
    }
    environment
}

/// The keys that the providers of this environment are called with, real or not.
pub fn keys() -> Vec<String> {
    let key =
        |provider: &Provider| env::var(provider.key).unwrap_or_else(|_| stand_in_key(provider));
    PROVIDERS.iter().map(key).collect()
}

/// The stand-in takes any; one that is like no other word can be searched for.
fn stand_in_key(provider: &Provider) -> String {
    format!("sk-stand-in-{}", provider.key.to_lowercase())
}

/// Or an address, where a provider may want no key.
fn has_key(provider: &Provider) -> bool {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.is_empty());
    is_set(provider.key) || (provider.may_want_no_key && is_set(provider.base_url))
}

/// None when every provider is real.
pub fn service(ports: &Ports) -> Option<Service> {
    if PROVIDERS.iter().all(has_key) {
        return None;
    }
    let root = layout::root();
    Some(Service {
        name: "aimock".to_owned(),
        program: "node".into(),
        args: vec![
            root.join("node_modules/@copilotkit/aimock/dist/aimock-cli.js")
                .display()
                .to_string(),
            "--config".to_owned(),
            root.join("xtask/stand-ins/aimock/config.json")
                .display()
                .to_string(),
            "--host".to_owned(),
            "127.0.0.1".to_owned(),
            "--port".to_owned(),
            ports.llm.to_string(),
        ],
        env: BTreeMap::new(),
        cwd: root.join("xtask/stand-ins/aimock"),
        user: None,
        port: Some(ports.llm),
        ready: Ready::Http(format!(
            "http://127.0.0.1:{}/__aimock/journal?limit=1",
            ports.llm
        )),
        stop: Stop::Terminate,
    })
}
