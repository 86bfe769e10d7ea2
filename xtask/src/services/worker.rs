//! One worker, as `cargo build` left it.

use std::collections::BTreeMap;

use super::Addresses;
use crate::build;
use crate::layout;
use crate::ports::Ports;
use crate::supervisor::{Ready, Service, Stop};

/// `extra` says what it calls: providers of models, a mail server. `allow` names the hosts (`host:port`, comma-separated) that HTTP steps
/// may reach although they are on a private address.
pub fn service(
    database_url: &str,
    extra: BTreeMap<String, String>,
    allow: &str,
    ports: &Ports,
    addresses: &Addresses,
) -> Service {
    let mut env = extra;
    env.insert("AIAS_DATABASE_URL".to_owned(), database_url.to_owned());
    env.insert(
        "AIAS_METRICS_LISTEN".to_owned(),
        format!("127.0.0.1:{}", ports.metrics),
    );
    if !allow.is_empty() {
        env.insert("AIAS_HTTP_ALLOW".to_owned(), allow.to_owned());
    }
    Service {
        name: "worker".to_owned(),
        program: build::binary("worker"),
        args: Vec::new(),
        env,
        cwd: layout::root(),
        user: None,
        port: Some(ports.metrics),
        ready: Ready::Http(format!("{}/readyz", addresses.metrics)),
        stop: Stop::Terminate,
    }
}
