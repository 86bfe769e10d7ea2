//! The parts, put together: started in order, and stopped so that nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use outbound::Ways;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::background::{Background, Chores};
use crate::claims::Claims;
use crate::clock::DatabaseClock;
use crate::committer::Committer;
use crate::config::Config;
use crate::execution::{Drain, Drive, Limits};
use crate::express::Express;
use crate::heartbeat::Heartbeat;
use crate::held::Held;
use crate::job::Jobs;
use crate::listener::{self, Wakes};
use crate::nodes::Effects;
use crate::offers::Offers;
use crate::places::Places;
use crate::plans::Plans;
use crate::queue::Queue;
use crate::secrets::Opener;
use crate::{health::Health, monitor, telemetry};

/// How long the last results may take to be written when everything else has stopped.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// A worker that is ready to run.
pub struct App {
    config: Config,
    name: String,
    queue: Queue,
    /// For what is done beside the executions.
    beside: Queue,
    clock: Arc<DatabaseClock>,
    ways: Ways,
    chores: Chores,
    express: Express,
}

impl App {
    /// # Errors
    /// When a part cannot be made. The database is not asked: one that is away is waited for.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let name = name();
        let clock = Arc::new(DatabaseClock::default());
        let queue = Queue::new(config.database.clone(), name.as_str(), Arc::clone(&clock));
        let ways = Ways::new(config.http_allow.clone()).context("cannot make an HTTP client")?;
        let beside = queue.beside();
        Ok(Self {
            chores: Chores::new(
                beside.clone(),
                config.providers.clone(),
                config.mail.clone(),
                config.dns_server,
                config.vault.clone(),
                config.stripe.clone(),
            )?,
            beside,
            config,
            name,
            queue,
            clock,
            ways,
            express: Express::start().context("cannot start a thread")?,
        })
    }

    pub fn health(&self) -> Arc<Health> {
        self.queue.health()
    }

    /// Works until `stop` says something: then nothing new begins, and what is in flight may finish. Said a second time, it stops at once.
    pub async fn run(self, mut stop: mpsc::Receiver<()>) {
        let Self {
            config,
            name,
            queue,
            beside,
            clock,
            ways,
            chores,
            express,
        } = self;
        tracing::info!(worker = name, concurrency = config.concurrency, "started");
        let held = Held::default();
        let wakes = Wakes::default();
        let (drain, drain_stage) = watch::channel(Drain::No);

        // Registered before the first query: what comes after that query is heard.
        let (registered, is_registered) = oneshot::channel();
        let heartbeat = Arc::new(Heartbeat::new(queue.clone(), held.clone(), config.lease));
        let beating = {
            let heartbeat = Arc::clone(&heartbeat);
            tokio::spawn(async move { heartbeat.beat().await })
        };
        let mut background = chores.start(&wakes, drain_stage.clone());
        let (committer, committing) = Committer::start(queue.clone(), config.lease);
        let (offered_queue, offered_committer, committing_offered) = {
            let _there = express.handle().enter();
            let queue = queue.express();
            let (committer, committing) = Committer::start(queue.clone(), config.lease);
            (queue, committer, committing)
        };
        let jobs = Jobs {
            plans: Plans::new(queue.clone()),
            engine: Arc::clone(&ways.engine),
            limits: Limits::default(),
            wake: Arc::clone(&wakes.jobs),
            drive: Drive {
                committer,
                perform: Arc::new(Effects {
                    ways,
                    providers: config.providers,
                    queue: queue.clone(),
                    secrets: Opener {
                        queue: queue.clone(),
                        vault: config.vault,
                    },
                }),
                clock: clock.clone(),
                drain: drain_stage.clone(),
            },
        };
        let jobs_offered = Jobs {
            drive: Drive {
                committer: offered_committer,
                ..jobs.drive.clone()
            },
            ..jobs.clone()
        };
        let places = Places::new(config.concurrency, held.clone(), Arc::new(jobs));
        let running = places.running.clone();
        let offers = Offers {
            queue: offered_queue.clone(),
            places: places.running_with(Arc::new(jobs_offered)),
            clock,
            claims: Arc::clone(&wakes.jobs),
            drain: drain_stage.clone(),
            looks: Arc::default(),
        };
        let listener = {
            let (options, heartbeat, wakes) = (
                config.database.clone(),
                Arc::clone(&heartbeat),
                wakes.clone(),
            );
            express.handle().spawn(async move {
                listener::listen(options, heartbeat, &wakes, &offers, registered).await;
            })
        };
        let claims = Claims {
            queue: queue.clone(),
            places,
            heartbeat,
            lease: config.lease,
        };

        let claiming = {
            let running = running.clone();
            tokio::spawn(async move {
                let _ = is_registered.await;
                claims.run(&wakes.jobs, drain_stage).await;
                running.close();
            })
        };
        stop.recv().await;
        tracing::info!(
            worker = name,
            in_flight = held.len(),
            seconds = config.drain.as_secs(),
            "stopping"
        );
        drain.send_replace(Drain::Draining);
        wait_for_work(claiming, &running, &mut background, config.drain, &mut stop).await;
        drain.send_replace(Drain::Deadline);
        drop(background);
        // It would begin what is offered, so it has a hand in the committer, which ends when nobody has.
        listener.abort();
        if timeout(LAST_COMMIT, async {
            tokio::join!(running.wait(), committing, committing_offered)
        })
        .await
        .is_err()
        {
            tracing::warn!(
                left = held.len(),
                "not everything could be recorded; other workers take it up when the leases end"
            );
        }
        beating.abort();
        // A connection that hangs must not keep the process.
        let _ = timeout(Duration::from_secs(1), async {
            tokio::join!(queue.close(), beside.close(), offered_queue.close())
        })
        .await;
        tracing::info!(worker = name, "stopped");
    }
}

async fn wait_for_work(
    claiming: JoinHandle<()>,
    running: &TaskTracker,
    background: &mut Background,
    longest: Duration,
    stop: &mut mpsc::Receiver<()>,
) {
    let finished = async {
        let _ = claiming.await;
        running.wait().await;
        background.ended().await;
    };
    let asked_again = async {
        if stop.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = finished => {}
        () = tokio::time::sleep(longest) => {}
        () = asked_again => {}
    }
}

/// What `claimed_by` says: enough to find the process, and never the same twice.
fn name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "worker".to_owned());
    format!(
        "{host}:{}:{:08x}",
        std::process::id(),
        rand::random::<u32>()
    )
}

/// Starts logging, metrics and monitoring, then works until a signal.
///
/// # Errors
/// When the monitoring port is taken, or a part cannot be made.
pub async fn main(config: Config) -> anyhow::Result<()> {
    let _traces = telemetry::start_logging(config.log)?;
    let monitor = match config.metrics_listen {
        Some(address) => Some(monitor::bind(address).await?),
        None => None,
    };
    let app = App::new(config)?;
    if let Some(monitor) = monitor {
        let metrics = telemetry::start_metrics()?;
        tokio::spawn(telemetry::upkeep(metrics.clone()));
        tokio::spawn(monitor::serve(monitor, app.health(), metrics));
    }
    app.run(signals()?).await;
    Ok(())
}

/// One message for each SIGTERM or SIGINT.
fn signals() -> anyhow::Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
