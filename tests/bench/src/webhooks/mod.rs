//! What Stripe's webhook takes: events that are kept durably in a second, beside plain inserts of the same payloads by pgbench, by turns; then how
//! many a worker applies in a second.

mod events;
mod senders;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::door::Door;
use crate::engine::world;
use crate::pgbench;
use crate::report::{Report, Want, median};
use crate::server::Server;
use crate::worker::Worker;
use events::{Events, SECRET};

/// Of each side.
const ROUNDS: usize = 3;
const CLIENTS: usize = 32;
/// Each with a subscription that the events tell of.
const TENANTS: u32 = 200;

pub async fn measure(
    server: &Server,
    edge: &Path,
    worker: &Path,
    report: &mut Report,
) -> Result<()> {
    world::make_tenants(server, 1, TENANTS).await?;
    server
        .run(
            "create table public.plain_events (id text primary key, payload jsonb not null);
             update public.subscription_plans set stripe_price_monthly = 'price_bench' where key = 'professional'",
        )
        .await?;
    let door = Door::start(edge, server, &[("STRIPE_WEBHOOK_SECRETS", SECRET)]).await?;
    let events = Events::from(0);
    let time = Duration::from_secs(server.seconds.into());
    senders::run(&door.url, &events, CLIENTS, Duration::from_secs(1)).await?;

    let plain = format!(
        "insert into public.plain_events values (gen_random_uuid()::text, '{}');",
        Events::from(0).next().body
    );
    let (mut plainly, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plainly.push(pgbench::run(server, &plain, CLIENTS).await?.per_second);
        kept.push(senders::run(&door.url, &events, CLIENTS, time).await?);
    }
    door.stop().await?;
    let plainly = median(plainly);
    let kept_per_second = median(kept.iter().map(|load| load.per_second).collect());
    let p99 = median(kept.iter().map(|load| load.p99).collect());
    eprintln!("kept {kept_per_second:.0} a second, p99 {p99:.2} ms; plain inserts {plainly:.0}");

    let applied_per_second = apply_all(server, worker).await?;
    eprintln!("applied {applied_per_second:.0} a second");

    report.figure("plain_inserts_per_second", plainly);
    report.figure(
        "kept_p50_ms",
        median(kept.iter().map(|load| load.p50).collect()),
    );
    report.goal(
        "kept_to_plain_inserts",
        Want::AtLeast(0.5),
        kept_per_second / plainly,
    );
    report.goal("kept_per_second", Want::AtLeast(3_500.0), kept_per_second);
    report.goal("kept_p99_in_ms", Want::AtMost(25.0), p99);
    report.goal(
        "applied_per_second",
        Want::AtLeast(1_500.0),
        applied_per_second,
    );
    Ok(())
}

/// One worker, from its first event to the last that is due.
async fn apply_all(server: &Server, worker: &Path) -> Result<f64> {
    let mut session = server.session().await?;
    let mut waiting = async || -> Result<i64> {
        let waiting =
            sqlx::query_scalar("select count(*) from billing.events where state = 'received'")
                .fetch_one(&mut session)
                .await?;
        Ok(waiting)
    };
    let all = waiting().await?;
    let running = Worker::start(worker, server, &[])?;
    while waiting().await? == all {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (since, first) = (Instant::now(), waiting().await?);
    let patience = since + Duration::from_secs(300);
    while waiting().await? > 0 {
        ensure!(Instant::now() < patience, "the events are not applied");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let per_second = first as f64 / since.elapsed().as_secs_f64();
    running.stop().await?;

    let (not_applied, subscriptions): (i64, i64) = sqlx::query_as(
        "select (select count(*) from billing.events where state <> 'applied'), (select count(*) from public.subscriptions where status = 'active')",
    )
    .fetch_one(&mut server.session().await?)
    .await?;
    ensure!(
        not_applied == 0 && subscriptions == i64::from(TENANTS),
        "{not_applied} events were not applied, and {subscriptions} subscriptions are there"
    );
    Ok(per_second)
}
