//! What happens when: all of it is drawn from the seed before anything begins.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Args;
use crate::workflows::Workflow;

const WORKFLOWS: usize = 24;

/// One call that starts something.
#[derive(Debug, Clone)]
pub struct Start {
    pub at: Duration,
    pub workflow: usize,
    pub what: What,
    /// Some are cancelled, so long after they were accepted.
    pub cancel_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// One execution, by an idempotency key that is good for the whole run.
    One { key: String },
    /// One that this key has started before, or starts at this very moment in another session.
    Again { key: String },
    /// So many by one call, which has no key: their input names them.
    Many { batch: String, count: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Worker(usize),
    Postgres,
}

pub struct Schedule {
    pub workflows: Vec<Workflow>,
    pub starts: Vec<Start>,
    /// In the order of time.
    pub kills: Vec<(Duration, Victim)>,
    /// Executions that the starts come to.
    pub executions: u32,
}

impl Schedule {
    pub fn draw(args: &Args, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let workflows = (0..WORKFLOWS).map(|_| Workflow::draw(&mut rng)).collect();
        let wanted = args.executions.unwrap_or(args.seconds * 60);
        let (starts, executions) = draw_starts(args.seconds, wanted, &mut rng);
        Self {
            workflows,
            starts,
            kills: draw_kills(args, &mut rng),
            executions,
        }
    }
}

fn draw_starts(seconds: u32, wanted: u32, rng: &mut StdRng) -> (Vec<Start>, u32) {
    let seconds = f64::from(seconds);
    let mut starts: Vec<Start> = Vec::new();
    let mut executions = 0;
    while executions < wanted {
        let at = Duration::from_secs_f64(seconds * f64::from(executions) / f64::from(wanted));
        let number = starts.len();
        let mut start = Start {
            at,
            workflow: rng.random_range(0..WORKFLOWS),
            what: What::One {
                key: format!("key {number}"),
            },
            cancel_after: None,
        };
        if rng.random_bool(0.06) {
            start.cancel_after = Some(Duration::from_millis(rng.random_range(0..1500)));
        }
        let count = match rng.random_range(0..100) {
            0..6 => rng.random_range(2..20),
            _ => 1,
        };
        if count > 1 {
            start.what = What::Many {
                batch: format!("batch {number}"),
                count,
            };
        }
        executions += count;
        let again = starts.len().checked_sub(rng.random_range(1..40));
        if let (true, Some(earlier)) = (rng.random_bool(0.08), again)
            && let What::One { key } = &starts[earlier].what
        {
            starts.push(Start {
                at,
                workflow: starts[earlier].workflow,
                what: What::Again { key: key.clone() },
                cancel_after: None,
            });
        }
        starts.push(start);
    }
    (starts, executions)
}

fn draw_kills(args: &Args, rng: &mut StdRng) -> Vec<(Duration, Victim)> {
    let seconds = f64::from(args.seconds);
    let workers = args.workers.max(1) as usize;
    let mut kills = Vec::new();
    let count = (seconds * args.kills_per_second) as u32;
    for number in 0..count {
        let at = (f64::from(number) + rng.random::<f64>()) / args.kills_per_second;
        kills.push((at, Victim::Worker(rng.random_range(0..workers))));
    }
    for number in 0..args.postgres_kills {
        let part = f64::from(number) + rng.random_range(0.2..0.8);
        let at = seconds * part / f64::from(args.postgres_kills);
        kills.push((at, Victim::Postgres));
    }
    kills.sort_by(|a, b| a.0.total_cmp(&b.0));
    kills
        .into_iter()
        .map(|(at, victim)| (Duration::from_secs_f64(at), victim))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args() -> Args {
        let words = "crash --dir x --pg-config x --port 1 --database x --worker x --seconds 10";
        Args::parse_from(words.split(' '))
    }

    #[test]
    fn a_seed_draws_the_same_again() {
        let drawn = [1, 1, 2].map(|seed| {
            let schedule = Schedule::draw(&args(), seed);
            format!("{:?} {:?}", schedule.starts, schedule.kills)
        });
        assert_eq!(drawn[0], drawn[1]);
        assert_ne!(drawn[0], drawn[2]);
    }

    #[test]
    fn the_kills_are_as_many_as_asked_for_and_in_order() {
        let kills = Schedule::draw(&args(), 1).kills;
        let of_postgres = kills.iter().filter(|kill| kill.1 == Victim::Postgres);
        assert_eq!((kills.len(), of_postgres.count()), (12, 2));
        assert!(kills.is_sorted_by_key(|kill| kill.0));
    }

    #[test]
    fn workflows_are_what_the_product_takes() {
        for seed in 0..20 {
            for drawn in Schedule::draw(&args(), seed).workflows {
                let (nodes, connections) = (drawn.nodes_json("http://x"), drawn.connections_json());
                let problems = workflow::problems(&nodes, &connections);
                let errors: Vec<_> = problems
                    .iter()
                    .filter(|problem| problem.severity == workflow::Severity::Error)
                    .collect();
                assert!(errors.is_empty(), "{errors:?} in {nodes} {connections}");
            }
        }
    }
}
