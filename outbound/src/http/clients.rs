//! The two ways out: one guarded, one for what the operator allows.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url, redirect};

use super::address::is_public;
use super::resolver::{Blocked, PublicOnly};
use crate::HttpAllow;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connection pools for the requests of tenants.
#[derive(Debug, Clone)]
pub struct Clients {
    guarded: Client,
    allowed: Client,
    allow: HttpAllow,
}

impl Clients {
    /// # Errors
    /// When the platform's certificates cannot be loaded.
    pub fn new(allow: HttpAllow) -> reqwest::Result<Self> {
        let basic = || -> ClientBuilder {
            Client::builder()
                .user_agent(concat!("aias/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                // A proxy would resolve names for us, past the guard.
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
        };
        Ok(Self {
            guarded: basic().dns_resolver(PublicOnly).build()?,
            allowed: basic().build()?,
            allow,
        })
    }

    /// The client that may call this URL. The parser has already turned every spelling of an IPv4 address (decimal, octal, hexadecimal) into one.
    pub(super) fn for_url(&self, url: &Url) -> Result<&Client, Blocked> {
        let host = url.host_str().unwrap_or_default();
        if url
            .port_or_known_default()
            .is_some_and(|port| self.allow.contains(host, port))
        {
            return Ok(&self.allowed);
        }
        let written_out = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        match written_out {
            Ok(address) if !is_public(address) => Err(Blocked {
                host: host.to_owned(),
            }),
            _ => Ok(&self.guarded),
        }
    }
}
