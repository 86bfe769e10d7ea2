//! What the tests stand on: a database with policies and seed, workers in this process, servers that count and keep.

pub mod aimock;
pub mod certificate;
pub mod database;
pub mod dns;
pub mod graph;
pub mod invitation;
pub mod mcp;
pub mod models;
pub mod received;
pub mod scripted;
pub mod secrets;
pub mod server;
pub mod smtp;
pub mod stripe_meters;
pub mod vectors;
pub mod worker;

use std::time::Duration;

pub use database::Stage;
pub use dns::NameServer;
pub use graph::{edges, http, node, trigger};
pub use invitation::Invitation;
pub use server::Server;
pub use smtp::SmtpSink;
pub use worker::Worker;

/// How long anything may take before a test gives up. Long, because machines are slow and a wait that succeeds ends early.
pub const PATIENCE: Duration = Duration::from_secs(30);
