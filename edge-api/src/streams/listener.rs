use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Watchers;

const CHANNEL: &str = "aias_executions";
/// A connection that says nothing for this long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// Keeps one connection listening until shutdown, and wakes watchers by what it hears.
pub async fn listen(
    options: PgConnectOptions,
    watchers: Arc<Watchers>,
    shutdown: CancellationToken,
) {
    let connected = metrics::gauge!("aias_edge_listener_connected");
    let mut pause = Duration::from_millis(250);
    loop {
        let listening = async {
            let error = match connect(&options).await {
                Ok(listener) => {
                    connected.set(1);
                    pause = Duration::from_millis(250);
                    tracing::info!(channel = CHANNEL, "listening for changes");
                    hear(listener, &watchers).await
                }
                Err(error) => error,
            };
            connected.set(0);
            tracing::warn!(error = %error, "not listening for changes; event streams fall back to polling");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = listening => {}
        }
    }
}

/// Outside the callers' pool: a listening connection is busy for ever.
async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Passes on what it hears until the connection fails.
async fn hear(mut listener: PgListener, watchers: &Watchers) -> sqlx::Error {
    // Whatever happened before this connection began to listen was not heard.
    watchers.wake_all();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Ok(execution_id) = Uuid::try_parse(notification.payload()) {
                    watchers.wake(execution_id);
                }
            }
            Ok(Ok(None)) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
            Ok(Err(error)) => return error,
            Err(_silent) => {
                if let Err(error) = ask(&mut listener).await {
                    return error;
                }
            }
        }
    }
}

async fn ask(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let answer = listener.execute("select");
    match timeout(Duration::from_secs(5), answer).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
