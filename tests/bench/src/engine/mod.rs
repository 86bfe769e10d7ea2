//! What the workflow engine does in a second: one worker process, all durable, everything on this machine.
//!
//! Executions of three trivial steps (a trigger and three transforms after it: four rows) and of one (a trigger and a transform). The ceiling is
//! the least that a durable job queue could do for a job: one insert and one update of a narrow row, each transaction for itself, from 8
//! sessions. It is measured in the same run, by turns.

mod ceiling;
mod drain;
mod enqueue;
mod latency;
pub mod world;

use std::path::Path;

use anyhow::Result;

use crate::report::{Report, Want, median};
use crate::server::Server;
use crate::worker::Worker;
use world::{ONE_STEP, THREE_STEPS};

const ROUNDS: usize = 3;
/// Enough that a worker takes some seconds.
const EXECUTIONS: i64 = 40_000;

pub async fn measure(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    ceiling::prepare(server).await?;

    let mut ceilings = Vec::new();
    let mut rates: [Vec<f64>; 2] = Default::default();
    let mut ratios: [Vec<f64>; 2] = Default::default();
    for round in 1..=ROUNDS {
        let ceiling = ceiling::transactions_per_second(server).await?;
        eprintln!("round {round}: the ceiling is {ceiling:.0} transactions a second");
        for (index, (name, workflow)) in [("three steps", THREE_STEPS), ("one step", ONE_STEP)]
            .into_iter()
            .enumerate()
        {
            world::enqueue(server, workflow, EXECUTIONS).await?;
            let rate = drain::executions_per_second(server, worker).await?;
            eprintln!(
                "round {round}: {rate:.0} executions of {name} a second, {:.2} of the ceiling",
                rate / ceiling
            );
            rates[index].push(rate);
            ratios[index].push(rate / ceiling);
        }
        ceilings.push(ceiling);
    }
    let [three, one] = rates.map(median);
    report.figure("ceiling_transactions_per_second", median(ceilings));
    report.figure("three_steps_executions_per_second", three);
    report.figure("one_step_executions_per_second", one);
    let [three, one] = ratios.map(median);
    report.goal("three_steps_to_ceiling", Want::AtLeast(1.3), three);
    report.goal("one_step_to_ceiling", Want::AtLeast(1.8), one);

    enqueue::measure(server, report).await?;

    world::forget(server).await?;
    latency(server, worker, report).await
}

/// Only how long an execution takes.
pub async fn measure_latency(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    world::make(server).await?;
    latency(server, worker, report).await
}

async fn latency(server: &Server, worker: &Path, report: &mut Report) -> Result<()> {
    let running = Worker::start(worker, server, &[])?;
    latency::measure(server, report).await?;
    running.stop().await
}
