//! edge-api, as `cargo build` left it.

use std::collections::BTreeMap;
use std::path::Path;

use super::Addresses;
use crate::build;
use crate::layout;
use crate::ports::Ports;
use crate::supervisor::{Ready, Service, Stop};

/// How edge-api checks the tokens of Auth.
#[derive(Debug, Clone)]
pub enum TokenCheck {
    /// HS256 with a shared secret.
    Secret(String),
    /// The public keys that Auth publishes.
    Jwks(String),
}

/// `extra` says what it calls and with which keys; what is left out it takes from the environment, if it is there. What the database does not
/// take at the moment it keeps in `spool`.
pub fn service(
    database_url: &str,
    tokens: &TokenCheck,
    extra: BTreeMap<String, String>,
    spool: &Path,
    ports: &Ports,
    addresses: &Addresses,
) -> Service {
    let (variable, value) = match tokens {
        TokenCheck::Secret(secret) => ("AIAS_JWT_SECRET", secret),
        TokenCheck::Jwks(url) => ("AIAS_JWKS_URL", url),
    };
    let mut env = extra;
    env.extend([
        ("AIAS_DATABASE_URL".to_owned(), database_url.to_owned()),
        (
            "AIAS_LISTEN".to_owned(),
            format!("127.0.0.1:{}", ports.edge),
        ),
        (variable.to_owned(), value.clone()),
        // Browsers find every name under it on this machine: http://alpha.localhost:54330/v1/tenant.
        ("AIAS_BASE_DOMAIN".to_owned(), "localhost".to_owned()),
        ("AIAS_SPOOL_DIR".to_owned(), spool.display().to_string()),
    ]);
    Service {
        name: "edge-api".to_owned(),
        program: build::binary("edge-api"),
        args: Vec::new(),
        env,
        cwd: layout::root(),
        user: None,
        port: Some(ports.edge),
        ready: Ready::Http(format!("{}/readyz", addresses.edge)),
        stop: Stop::Terminate,
    }
}
