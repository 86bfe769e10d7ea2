//! Which port each service listens on, and who sits on one that is taken.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::supervisor::process;

/// Ports on 127.0.0.1.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ports {
    /// PostgREST and Auth.
    pub api: u16,
    pub database: u16,
    pub edge: u16,
    /// The stand-in for LLM providers.
    pub llm: u16,
    /// The help desk that the demo's workflow talks to.
    pub helpdesk: u16,
    /// The worker's metrics.
    pub metrics: u16,
    /// The page of the mailbox, and the port that takes its mails.
    pub mailbox: u16,
    pub smtp: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self::from_base(54321)
    }
}

impl Ports {
    /// The usual distances from the first port.
    pub fn from_base(base: u16) -> Self {
        let at = |offset: u16| base.saturating_add(offset);
        Self {
            api: base,
            database: at(1),
            edge: at(9),
            llm: at(10),
            helpdesk: at(11),
            metrics: at(12),
            mailbox: at(3),
            smtp: at(13),
        }
    }

    /// Eight free ports, below the range from which the kernel takes ports for outgoing connections.
    pub fn free() -> Result<Self> {
        let mut found = Vec::new();
        let mut rng = rand::rng();
        for _ in 0..1000 {
            let port = rng.random_range(20_000..32_000);
            if !found.contains(&port) && is_free(port) {
                found.push(port);
            }
            if let [api, database, edge, llm, helpdesk, metrics, mailbox, smtp] = found[..] {
                return Ok(Self {
                    api,
                    database,
                    edge,
                    llm,
                    helpdesk,
                    metrics,
                    mailbox,
                    smtp,
                });
            }
        }
        bail!("found no eight free ports between 20000 and 32000 on 127.0.0.1");
    }

    /// Each port with its service and the option that moves it.
    pub fn named(&self) -> [(u16, &'static str, &'static str); 8] {
        [
            (self.api, "the API (PostgREST and Auth)", "api-port"),
            (self.database, "Postgres", "database-port"),
            (self.edge, "edge-api", "edge-port"),
            (self.llm, "the LLM stand-in", "llm-port"),
            (self.helpdesk, "the demo's help desk", "helpdesk-port"),
            (self.metrics, "the worker's metrics", "metrics-port"),
            (self.mailbox, "the mailbox's page", "mailbox-port"),
            (self.smtp, "the mailbox", "smtp-port"),
        ]
    }
}

/// One that nobody has a use for yet, from the same range.
pub fn one_free() -> Result<u16> {
    let mut rng = rand::rng();
    (0..1000)
        .map(|_| rng.random_range(20_000..32_000))
        .find(|port| is_free(*port))
        .context("found no free port between 20000 and 32000 on 127.0.0.1")
}

pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Refuses a taken port in a sentence that says which service wants it, who has it, and how to move.
pub fn demand_free(port: u16, service: &str, option: &str) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let holder = match process::listening_on(port) {
        Some(holder) => format!(" by {holder}"),
        None => String::new(),
    };
    let variable = format!("AIAS_{}", option.replace('-', "_").to_uppercase());
    bail!(
        "port {port} is taken{holder}, and {service} wants it: stop that program, choose another port with --{option} \
         (or {variable}), or let all ports be chosen with --ports auto"
    );
}
