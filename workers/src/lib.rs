//! The worker: claims executions from Postgres, runs their steps, and records what happened.
//!
//! Decisions are pure and time is passed in ([`execution::Run`], [`execution::retry`], [`Backoff`]); what does things only carries them
//! out. The database is reached through the functions of schema `queue` and nothing else ([`queue::Queue`]).

pub mod app;
mod background;
mod backoff;
mod claims;
mod clock;
mod committer;
pub mod config;
mod embedding;
pub mod execution;
mod express;
mod health;
mod heartbeat;
mod held;
mod job;
mod listener;
pub mod mail;
mod monitor;
pub mod nodes;
mod offers;
mod places;
mod plans;
pub mod queue;
pub mod secrets;
pub mod slice;
pub mod state;
mod stop;
pub mod stripe;
pub mod telemetry;
mod wake;

pub use backoff::Backoff;
pub use clock::{Clock, DatabaseClock};
