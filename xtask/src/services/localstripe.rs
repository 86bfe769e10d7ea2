//! The stand-in for Stripe in the end-to-end tests: <https://pypi.org/project/localstripe>. It keeps objects and signs its webhooks as Stripe does.

use std::collections::BTreeMap;
use std::path::Path;

use crate::layout;
use crate::ports;
use crate::supervisor::{Ready, Service, Stop};

/// Where it listens, and what edge-api and the worker share with it.
pub struct Localstripe {
    port: u16,
    pub key: String,
    pub webhook_secret: String,
}

impl Localstripe {
    /// On a free port, with a key and a signing secret that are like no other word.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new() -> anyhow::Result<Self> {
        let word = || format!("{:032x}", rand::random::<u128>());
        Ok(Self {
            port: ports::one_free()?,
            key: format!("sk_test_{}", word()),
            webhook_secret: format!("whsec_{}", word()),
        })
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What edge-api and the worker are told of it.
    pub fn environment(&self) -> BTreeMap<String, String> {
        BTreeMap::from(
            [
                ("STRIPE_API_KEY", self.key.clone()),
                ("STRIPE_API_BASE", self.address()),
                ("STRIPE_WEBHOOK_SECRETS", self.webhook_secret.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    /// Run by the Python of the end-to-end tests.
    pub fn service(&self, python: &Path) -> Service {
        Service {
            name: "localstripe".to_owned(),
            program: python.to_owned(),
            args: ["-m", "localstripe", "--from-scratch", "--port"]
                .map(str::to_owned)
                .into_iter()
                .chain([self.port.to_string()])
                .collect(),
            env: BTreeMap::new(),
            cwd: layout::root(),
            user: None,
            port: Some(self.port),
            ready: Ready::Http(format!("{}/js.stripe.com/v3/", self.address())),
            stop: Stop::Terminate,
        }
    }
}
