//! One call, for workflows of several sizes.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::sides::{Side, Sides};
use crate::report::{Report, Want, median};
use crate::server::Server;

const ROUNDS: usize = 5;
/// How long the check that keeps every path may go on.
const PATHS: Duration = Duration::from_secs(2);

/// Microseconds of one call of each side, for a workflow of so many nodes.
pub async fn compare(
    server: &Server,
    report: &mut Report,
    size: usize,
    sides: &mut Sides<'_>,
) -> Result<()> {
    let mut times = [0; Side::ALL.len()];
    for (side, times) in Side::ALL.into_iter().zip(&mut times) {
        *times = calls(server, sides, side).await?;
    }
    let mut rounds: [Vec<f64>; Side::ALL.len()] = Default::default();
    for _ in 0..ROUNDS {
        for ((side, times), found) in Side::ALL.into_iter().zip(times).zip(&mut rounds) {
            found.push(sides.time(side, times).await?);
        }
    }

    let medians = rounds.map(median);
    report.figure(format!("{size}_nodes_json_bytes"), sides.bytes() as f64);
    for (side, median) in Side::ALL.into_iter().zip(medians) {
        report.figure(format!("{size}_nodes_{}_us", side.name()), median);
    }
    let of = |wanted: Side| {
        let found = Side::ALL.into_iter().zip(medians);
        found
            .filter(|(side, _)| *side == wanted)
            .map(|(_, median)| median)
            .sum::<f64>()
    };
    let (is_valid, parse) = (of(Side::IsValid), of(Side::Parse));
    // Whichever way to write it is the faster one is the one to be compared with.
    let sql = of(Side::Walk).min(of(Side::Closure));
    eprintln!(
        "{size} nodes: {is_valid:.1} us, {parse:.1} us to parse the same, {sql:.0} us for the graph alone in SQL"
    );

    let to_parse = format!("{size}_nodes_is_valid_to_parse");
    let sql_to_is_valid = format!("{size}_nodes_sql_to_is_valid");
    if size == 20 || size == 100 {
        report.goal(to_parse, Want::AtMost(5.0), is_valid / parse);
    } else {
        report.ratio(to_parse, is_valid / parse);
    }
    if size == 100 {
        report.goal(sql_to_is_valid, Want::AtLeast(50.0), sql / is_valid);
    } else {
        report.ratio(sql_to_is_valid, sql / is_valid);
    }
    report.ratio(
        format!("{size}_nodes_library_to_parse"),
        of(Side::Library) / parse,
    );
    // Once to have it planned; one that does not end needs no second try.
    let mut by_paths = sides.time_of_paths(PATHS).await?;
    if by_paths.is_some() {
        by_paths = sides.time_of_paths(PATHS).await?;
    }
    let (paths, at_least) = match by_paths {
        Some(took) => (took, ""),
        None => (PATHS.as_secs_f64() * 1e6, "_at_least"),
    };
    report.figure(format!("{size}_nodes_sql_paths_us{at_least}"), paths);
    report.ratio(
        format!("{size}_nodes_sql_paths_to_is_valid{at_least}"),
        paths / is_valid,
    );
    Ok(())
}

/// How many calls of a side fill one round. They are also what is only needed once: caches, plans, schemas that are compiled.
async fn calls(server: &Server, sides: &mut Sides<'_>, side: Side) -> Result<u32> {
    let round = Duration::from_secs(server.seconds.into()) / 15;
    let mut calls = 1;
    loop {
        let started = Instant::now();
        sides.time(side, calls).await?;
        let took = started.elapsed();
        if took > round / 10 {
            return Ok((f64::from(calls) * round.div_duration_f64(took)).max(1.0) as u32);
        }
        calls *= 4;
    }
}
