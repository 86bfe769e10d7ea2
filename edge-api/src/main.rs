//! Configuration, then the app, then run until a signal.

use std::time::Duration;

use edge_api::{App, Configuration, server, telemetry};
use tokio_util::sync::CancellationToken;

/// What is not written down by then is in the spool, where there is one.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let configuration = Configuration::from_env()?;
    let _traces = telemetry::start(configuration.log)?;

    let stopping = CancellationToken::new();
    server::stop_on_signal(stopping.clone())?;
    let listener = server::bind(configuration.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");

    let drain = configuration.limits.drain;
    let app = App::new(configuration, stopping.clone());
    let background = app.spawn_background();
    server::serve(listener, app.router(), stopping, drain).await;

    // No request is left: what their calls took is known by now.
    app.ledger().flush(FLUSH_WITHIN).await;
    drop(background);
    app.database().close().await;
    Ok(())
}
