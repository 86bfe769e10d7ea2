//! Tools of agents that call something: `{"type": "http", ...}`, and those of MCP servers.

pub mod mcp;

mod credentials;
mod http;
mod prefix;

pub use credentials::names_secrets;
pub use http::HttpTool;
