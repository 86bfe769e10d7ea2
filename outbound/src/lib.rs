//! What tenants have called: HTTP endpoints and MCP servers at addresses that they name. A tenant reaches only what everybody could reach, and what a
//! call is authenticated with comes back to nobody.
//!
//! `workers` calls for steps, `edge-api` for agents that are asked directly. Neither a database nor a vault is known here: whoever calls opens the
//! secrets, by [`Secrets`].

pub mod http;
pub mod tools;

mod allow;
mod failure;
mod outside;
mod redaction;
mod secret_names;
mod with_secrets;

pub use allow::HttpAllow;
pub use failure::{Failure, secrets_not_found, told};
pub use outside::{Outside, Secrets, Ways};
pub use redaction::Redaction;
pub use secret_names::{MASK, is_secret};
pub use with_secrets::{Rendered, WithSecrets, render};
