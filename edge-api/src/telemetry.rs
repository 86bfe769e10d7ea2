//! Logs: one line a request, one line an error, each with the request id. And traces of calls to models, where they are wanted.

use std::io::IsTerminal;

use traces::{CannotTrace, Traces};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::configuration::LogFormat;

/// Starts logging to standard error. `RUST_LOG` filters; without it this service speaks from `info` on and its libraries from `warn`.
///
/// Statements are never logged: the one that opens a caller's transaction carries that caller's claims.
///
/// What it answers is to be kept until the end: it sends the last traces then.
///
/// # Errors
/// When traces are wanted and cannot be sent.
pub fn start(format: LogFormat) -> Result<Option<Traces>, CannotTrace> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,edge_api=info"));
    let traces = Traces::from_environment("edge-api")?;
    let registry = tracing_subscriber::registry().with(traces.as_ref().map(Traces::layer));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            registry.with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_filter(filter)).try_init()
        }
    };
    if started.is_err() {
        tracing::warn!("logging was already started by someone else; their format stays");
    }
    Ok(traces)
}
