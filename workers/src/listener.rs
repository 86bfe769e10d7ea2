//! The one connection that listens. Notices only wake: whoever misses one polls.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::oneshot;

use crate::backoff::Backoff;
use crate::heartbeat::Heartbeat;
use crate::offers::Offers;
use crate::wake::Wake;

const JOBS: &str = "aias_jobs";
const ATTENTION: &str = "aias_attention";
const MAILS: &str = "aias_mails";
const SCHEDULES: &str = "aias_schedules";

/// Whom notices wake.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    pub jobs: Arc<Wake>,
    pub mails: Arc<Wake>,
    pub schedules: Arc<Wake>,
}

impl Wakes {
    /// Whatever was said while nobody listened is looked up.
    fn all(&self) {
        self.jobs.now();
        self.mails.now();
        self.schedules.now();
    }
}

/// Listens for as long as it is polled. `registered` is told once, when the first registration stands, so that the first query can come after it.
pub async fn listen(
    options: PgConnectOptions,
    heartbeat: Arc<Heartbeat>,
    wakes: &Wakes,
    offers: &Offers,
    registered: oneshot::Sender<()>,
) {
    let mut registered = Some(registered);
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    loop {
        let error = match register(&options).await {
            Ok(mut listener) => {
                backoff.reset();
                if let Some(registered) = registered.take() {
                    let _ = registered.send(());
                }
                wakes.all();
                hear(&mut listener, &heartbeat, wakes, offers).await
            }
            Err(error) => error,
        };
        let wait = backoff.wait(rand::random());
        tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "not listening; polling goes on");
        // Polling is enough to begin with.
        registered.take();
        tokio::time::sleep(wait).await;
    }
}

async fn register(options: &PgConnectOptions) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    // Reconnecting is done here, where it is logged and what was missed is looked up.
    listener.eager_reconnect(false);
    listener
        .listen_all([JOBS, ATTENTION, MAILS, SCHEDULES])
        .await?;
    sqlx::query("select queue.listen_to_offers()")
        .execute(&mut listener)
        .await?;
    Ok(listener)
}

/// Until the connection breaks.
async fn hear(
    listener: &mut PgListener,
    heartbeat: &Arc<Heartbeat>,
    wakes: &Wakes,
    offers: &Offers,
) -> sqlx::Error {
    loop {
        match listener.try_recv().await {
            Ok(Some(notice)) if notice.channel() == ATTENTION => {
                if let Ok(execution) = notice.payload().parse() {
                    let heartbeat = Arc::clone(heartbeat);
                    tokio::spawn(async move { heartbeat.look(execution).await });
                }
            }
            Ok(Some(notice)) if notice.channel() == MAILS => wakes.mails.now(),
            Ok(Some(notice)) if notice.channel() == SCHEDULES => wakes.schedules.now(),
            Ok(Some(notice)) if notice.channel() == JOBS => wakes.jobs.now(),
            // The channel that has no name here.
            Ok(Some(notice)) => offers.hear(notice.payload()),
            Ok(None) => return sqlx::Error::WorkerCrashed,
            Err(error) => return error,
        }
    }
}
