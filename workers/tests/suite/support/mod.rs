//! What the tests stand on: a database with policies and seed, workers in this process, a server that counts.

pub mod database;
pub mod graph;
pub mod server;
pub mod worker;

pub use database::Stage;
pub use graph::{edges, http, node, trigger};
pub use server::Server;
pub use worker::Worker;
