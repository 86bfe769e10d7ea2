//! The services of the local stack: how each is configured and started. One file knows one service.

pub mod aimock;
pub mod edge_api;
pub mod helpdesk;
pub mod lite;
pub mod localstripe;
pub mod mailbox;
pub mod worker;

use crate::ports::Ports;

/// Where the services meet.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// PostgREST at `/rest/v1`, Auth at `/auth/v1`.
    pub supabase: String,
    pub edge: String,
    pub helpdesk: String,
    pub llm: String,
    pub metrics: String,
    pub mailbox: String,
}

impl Addresses {
    pub fn local(ports: &Ports) -> Self {
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            supabase: at(ports.api),
            edge: at(ports.edge),
            helpdesk: at(ports.helpdesk),
            llm: at(ports.llm),
            metrics: at(ports.metrics),
            mailbox: at(ports.mailbox),
        }
    }
}
