//! Name resolution that forgets every address a tenant may not reach.

use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Resolves as the system does, and keeps the public addresses. What it returns is what is connected to, so a name that changes its mind
/// between a check and the connection has nothing to gain.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

/// A host without a public address. The addresses are not repeated: they would map the network to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    pub host: String,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a public address", self.host)
    }
}

impl std::error::Error for Blocked {}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .iter()
                .copied()
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() && !found.is_empty() {
                return Err(Blocked { host }.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}
