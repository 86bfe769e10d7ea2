//! One run, from an empty database to the verdict.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgConnection;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use xtask::layout::Layout;

use crate::clients::{Shared, Starter, cancel_all};
use crate::counter::Counter;
use crate::facts::Facts;
use crate::kills::{self, Toll};
use crate::postgres::Postgres;
use crate::schedule::Schedule;
use crate::workers::Workers;
use crate::{Args, judge, report, world};

const STARTERS: usize = 4;
const CANCELLERS: usize = 2;
/// How long nothing may end before what is left is given up: longer than any lease, timer and retry.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether everything held.
pub async fn run(args: &Args) -> Result<bool> {
    let seed = args
        .seed
        .unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let schedule = Schedule::draw(args, seed);
    println!(
        "seed {seed}: {} executions of {} workflows in {} s, {} workers, {} kills",
        schedule.executions,
        schedule.workflows.len(),
        args.seconds,
        args.workers,
        schedule.kills.len()
    );
    let has_kills = !schedule.kills.is_empty();
    let layout = Layout::new(&args.dir)?;
    let postgres = Arc::new(Postgres::of(
        &layout,
        &args.pg_config,
        args.port,
        &args.database,
    )?);
    let counter = Counter::start().await?;
    let server = format!("http://{}", counter.address);
    world::make(&postgres, &schedule.workflows, &server).await?;
    demand_durable(&mut postgres.session().await?).await?;
    let mut workers = Workers::new(&args.worker, &layout, &postgres, &counter.address);
    workers.start(args.workers)?;

    let mut facts = Facts {
        workflows: schedule.workflows.clone(),
        ..Facts::default()
    };
    let workers = Arc::new(Mutex::new(workers));
    let started = Instant::now();
    let played = play(args, schedule, &postgres, &workers, &mut facts).await;
    let mut workers = workers.lock().await;
    workers.stop().await?;
    played?;
    facts.killed.clone_from(&workers.killed);
    facts
        .ended_by_themselves
        .clone_from(&workers.ended_by_themselves);
    facts.calls = counter.calls();
    facts.read(&mut postgres.session().await?).await?;

    let mut verdicts = judge::judge(&facts);
    if has_kills {
        // A run in which nothing happened that could have gone wrong is no proof.
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.looked_at == 0) {
            verdict
                .broken
                .push("there was nothing to look at".to_owned());
        }
    }
    report::print(&facts, &verdicts, started.elapsed());
    let broken = verdicts.iter().any(|verdict| !verdict.broken.is_empty());
    if broken {
        println!("Again with the same draws: --seed {seed}");
    }
    Ok(!broken)
}

/// Everybody at once, until all that was started has ended.
async fn play(
    args: &Args,
    schedule: Schedule,
    postgres: &Arc<Postgres>,
    workers: &Arc<Mutex<Workers>>,
    facts: &mut Facts,
) -> Result<()> {
    let shared = Arc::new(Shared::default());
    let toll = Arc::new(Toll::default());
    let begun = Instant::now();
    let mut busy = JoinSet::new();
    let mut cancels = Vec::new();
    for _ in 0..CANCELLERS {
        let (sender, receiver) = mpsc::unbounded_channel();
        cancels.push(sender);
        busy.spawn(cancel_all(
            Arc::clone(postgres),
            Arc::clone(&shared),
            receiver,
        ));
    }
    for number in 0..STARTERS {
        let starter = Starter {
            postgres: Arc::clone(postgres),
            shared: Arc::clone(&shared),
            cancels: cancels[number % CANCELLERS].clone(),
            begun,
        };
        let starts = schedule.starts.iter().skip(number).step_by(STARTERS);
        busy.spawn(starter.run(starts.cloned().collect()));
    }
    drop(cancels);
    busy.spawn(kills::kill_workers(
        begun,
        schedule.kills.clone(),
        Arc::clone(workers),
        Arc::clone(postgres),
        Arc::clone(&toll),
    ));
    let mut postgres_kills = tokio::spawn(kills::kill_postgres(
        begun,
        schedule.kills,
        Arc::clone(postgres),
        Arc::clone(&toll),
    ));
    let mut outages = None;
    let mut watch = report::Watch::new(postgres, &shared, &toll, begun, args.seconds);
    loop {
        tokio::select! {
            Some(ended) = busy.join_next() => ended??,
            ended = &mut postgres_kills, if outages.is_none() => outages = Some(ended??),
            () = watch.turn() => {}
        }
        if busy.is_empty() && outages.is_some() {
            break;
        }
    }
    facts.outages = outages.unwrap_or_default();
    let accepted = i64::from(shared.accepted.load(Ordering::Relaxed));
    let mut ended = (watch.ended().await.unwrap_or(0), Instant::now());
    while ended.0 < accepted && ended.1.elapsed() < PATIENCE {
        watch.turn().await;
        let now_ended = watch.ended().await.context("Postgres does not answer")?;
        if now_ended > ended.0 {
            ended = (now_ended, Instant::now());
        }
        sleep(Duration::from_millis(100)).await;
    }
    facts.answers = shared.with(|answers| answers.clone());
    Ok(())
}

/// A server that loses what it has committed proves nothing.
async fn demand_durable(session: &mut PgConnection) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(&mut *session)
            .await?;
        anyhow::ensure!(value == "on", "{setting} is {value}");
    }
    Ok(())
}
