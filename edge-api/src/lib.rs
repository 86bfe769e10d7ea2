//! What must answer over HTTP: executions are started, followed and cancelled here, as the caller, under the same row-level security as
//! PostgREST.
//!
//! Read in this order: [`configuration`], [`app`], [`routes`]; then what a route stands on: [`auth`], [`database`], [`error`],
//! [`hosts`], [`model_calls`], [`streams`], [`stripe`].

pub mod configuration;

pub mod app;
pub mod server;
pub mod telemetry;

pub mod routes;

pub mod auth;
pub mod database;
pub mod error;
pub mod hosts;
pub mod model_calls;
pub mod streams;
pub mod stripe;

mod agent_tools;
mod cors;
mod extract;
mod kept;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod request_id;
mod sealing;
mod whose;

pub use app::App;
pub use configuration::Configuration;
