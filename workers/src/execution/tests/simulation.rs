//! Random graphs under crashes, lost answers, delays and cancellations; the rules are checked by [`World`] as it goes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "whoever simulates many wants to know how many, and which one failed"
)]

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::world::{World, broken, call_workflow, edges, for_each, http, node, trigger};
use crate::execution::Event;
use crate::nodes::Failure;
use crate::state::{ExecutionStatus, StepStatus};

/// Seeds of one run of the test; a failing one is named and reproduces.
const SEEDS: std::ops::Range<u64> = 0..4_000;
/// Other seeds, as `FROM..TO`: many once, or the one that failed.
const OTHER_SEEDS: &str = "AIAS_SIMULATION_SEEDS";

fn seeds() -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var(OTHER_SEEDS) else {
        return SEEDS;
    };
    let (from, to) = wanted.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn random_graph(random: &mut StdRng) -> (Value, Value) {
    let count = random.random_range(2..10);
    let mut nodes = vec![trigger()];
    let mut arrows: Vec<String> = Vec::new();
    for index in 1..count {
        let id = format!("n{index}");
        let first: usize = random.random_range(0..index);
        let mut sources = vec![first];
        if random.random_bool(0.4) {
            sources.push(random.random_range(0..index));
        }
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            let from = if source == 0 {
                "start".to_owned()
            } else {
                format!("n{source}")
            };
            let handle = match nodes[source]["config"]["kind"].as_str() {
                Some("if") => {
                    if random.random_bool(0.5) {
                        ":true"
                    } else {
                        ":false"
                    }
                }
                Some("approval") => ["", ":approved", ":rejected"][random.random_range(0..3)],
                _ if nodes[source]["on_error"] == "branch" && random.random_bool(0.5) => ":error",
                _ => "",
            };
            arrows.push(format!("{from}{handle}->{id}"));
        }
        let on_error = ["fail", "continue", "branch"][random.random_range(0..3)];
        let attempts = random.random_range(1..4);
        let more = json!({"on_error": on_error, "retry": {"max_attempts": attempts, "initial_seconds": random.random_range(0..5)}});
        nodes.push(match random.random_range(0..16) {
            0..=4 => http(&id, more),
            10 => patient(
                random,
                node(&id, json!({"kind": "wait_for_event", "event": "e"})),
            ),
            11 => patient(random, node(&id, json!({"kind": "approval"}))),
            12 => patient(random, call_workflow(&id, more)),
            13..=15 => {
                let action = match random.random_range(0..4) {
                    0 | 1 => json!({"kind": "http", "url": "https://api.example/{{ item }}"}),
                    2 => json!({"kind": "transform", "output": "{{ item }}"}),
                    _ => call_workflow(&id, json!({}))["config"].clone(),
                };
                let on_item_error = ["fail", "continue"][random.random_range(0..2)];
                let config = json!({
                    "concurrency": random.random_range(1..4),
                    "on_item_error": on_item_error,
                });
                for_each(&id, action, config, more)
            }
            5 => node(
                &id,
                json!({"kind": "delay", "seconds": random.random_range(0.0..4.0)}),
            ),
            6 | 7 => node(
                &id,
                json!({"kind": "if", "condition": "execution.id is defined"}),
            ),
            _ => node(&id, json!({"kind": "transform", "output": "{{ input.n }}"})),
        });
    }
    let texts: Vec<&str> = arrows.iter().map(String::as_str).collect();
    (json!(nodes), edges(&texts))
}

/// Sometimes it gives up.
fn patient(random: &mut StdRng, mut node: Value) -> Value {
    if random.random_bool(0.3) {
        node["timeout"] = json!(random.random_range(1..10));
    }
    node
}

/// Delivers to some step that waits; `false` when there is none.
fn deliver(random: &mut StdRng, world: &mut World) -> bool {
    let waiting: Vec<String> = world
        .waits
        .iter()
        .filter(|(_, delivered)| delivered.is_none())
        .map(|(key, _)| key.clone())
        .collect();
    if waiting.is_empty() {
        return false;
    }
    let key = &waiting[random.random_range(0..waiting.len())];
    match world.rows[key].kind {
        "approval" => world.deliver(key, json!({"approved": random.random_bool(0.5)})),
        "call_workflow" => {
            let status = ["succeeded", "succeeded", "failed"][random.random_range(0..3)];
            world.child_ends(key, status)
        }
        _ => world.deliver(key, json!({"event": "e"})),
    }
}

/// Names the seed when what it simulates breaks a rule.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}", self.0);
        }
    }
}

fn simulate(seed: u64) -> Option<ExecutionStatus> {
    let _named = Named(seed);
    let mut random = StdRng::seed_from_u64(seed);
    let (nodes, connections) = random_graph(&mut random);
    // Some of these are no workflows (a branch that leads nowhere); they are of no interest here.
    workflow::plan(&nodes, &connections).ok()?;
    let mut world = World::new(nodes, connections);
    let list: Vec<usize> = (0..random.random_range(0..7)).collect();
    world.input = json!({"n": 7, "list": list});
    let mut successes: BTreeMap<String, u32> = BTreeMap::new();
    let is_cancelled = random.random_bool(0.1);
    let mut crashes = 0;
    let mut pauses = 0;
    world.claim();
    for _ in 0..4_000 {
        match world.left {
            Some(ExecutionStatus::Waiting) => {
                // Somebody is faster than the time, or there is no time to wait for.
                if world.run_at.is_none() || random.random_bool(0.3) {
                    let came = deliver(&mut random, &mut world);
                    assert!(
                        came || world.run_at.is_some(),
                        "seed {seed}: nothing can wake it"
                    );
                    if came {
                        world.claim();
                        continue;
                    }
                }
                world.now = world.now.max(world.run_at.unwrap());
                world.claim();
                continue;
            }
            Some(ExecutionStatus::Paused) => {
                while random.random_bool(0.3) {
                    deliver(&mut random, &mut world);
                }
                world.now += SignedDuration::from_secs(random.random_range(0..5));
                world.resume();
                continue;
            }
            Some(status) => {
                assert_eq!(status, world.status);
                check(&world, &successes);
                return Some(status);
            }
            None => {}
        }
        match random.random_range(0..100) {
            0..=39 => {
                world.commit();
            }
            40..=74 if !world.out.is_empty() => {
                let key = world.out()[random.random_range(0..world.out.len())].clone();
                let is_call = world.rows[&key].kind == "call_workflow";
                let result = match random.random_range(0..10) {
                    0..=6 => Ok(json!({"call": key})),
                    7 | 8 => Err(broken()),
                    _ => Err(Failure::new("http_status", "answered 404")),
                };
                if is_call && (result.is_ok() || random.random_bool(0.3)) {
                    world.start_child(&key);
                    match random.random_range(0..6) {
                        0 => drop(world.child_ends(&key, "succeeded")),
                        // The call hangs, and the worker may die over it.
                        1 => continue,
                        _ => {}
                    }
                }
                if result.is_ok() {
                    *successes.entry(key.clone()).or_default() += 1;
                }
                match result {
                    Ok(_) if is_call => world.child_answers(&key),
                    result => world.end(&key, result),
                }
            }
            75..=89 => world.pass(random.random_range(0.0..3.0)),
            // A crash; sometimes after a commit whose answer never came.
            90..=93 if crashes < 8 => {
                crashes += 1;
                if let Some(record) = world.record.take().filter(|_| random.random_bool(0.5)) {
                    let is_over = record.status != ExecutionStatus::Running;
                    world.apply(record);
                    if is_over {
                        world.left = Some(world.status);
                        continue;
                    }
                }
                world.now += SignedDuration::from_secs(30);
                world.claim();
            }
            94 => world.tell(Event::Drain),
            97 | 98 => drop(deliver(&mut random, &mut world)),
            99 if pauses < 3 => {
                pauses += 1;
                world.pause();
            }
            95 => world.tell(Event::DrainDeadline),
            96 if is_cancelled => {
                world.cancel_requested = true;
                world.tell(Event::CancelRequested);
            }
            _ => {}
        }
    }
    panic!("seed {seed} does not end: {:?}", world.statuses());
}

fn check(world: &World, successes: &BTreeMap<String, u32>) {
    assert!(world.status.is_final());
    assert!(world.waits.is_empty() || world.status != ExecutionStatus::Succeeded);
    for node in &world.plan.nodes {
        let row = world.rows.get(&node.id);
        if world.status == ExecutionStatus::Succeeded {
            let row = row.unwrap_or_else(|| panic!("{} has no row", node.id));
            assert!(row.status.is_final() && row.status != StepStatus::Cancelled);
        }
        let Some(row) = row.filter(|row| row.status == StepStatus::Succeeded) else {
            continue;
        };
        assert_eq!(row.kind, node.kind.as_str());
        if row.kind == "for_each" {
            check_items(world, &node.id, &node.config);
        }
    }
    for (key, row) in &world.rows {
        if row.status == StepStatus::Succeeded && row.kind == "http" {
            assert!(
                successes.get(key).is_some_and(|count| *count >= 1),
                "{key} succeeded without a call"
            );
        }
    }
}

/// The output of a `for_each` is that of its items' rows, and there is one for each.
fn check_items(world: &World, id: &str, config: &Value) {
    let output = world.rows[id].output.as_deref().unwrap();
    let items = output["items"].as_array().unwrap();
    assert_eq!(items.len(), world.input["list"].as_array().unwrap().len());
    let mut failed = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let row = &world.rows[&format!("{id}[{index}]")];
        match row.status {
            StepStatus::Succeeded => assert_eq!(Some(item), row.output.as_deref()),
            StepStatus::Failed => {
                assert_eq!(config["on_item_error"], "continue");
                failed.push(json!({"index": index, "error": row.error}));
            }
            other => panic!("{id}[{index}] is {other}"),
        }
    }
    assert_eq!(output["failed"], json!(failed));
}

#[test]
fn every_execution_ends_whatever_happens_on_the_way() {
    let seeds = seeds();
    let simulated = seeds.end - seeds.start;
    let ends: Vec<_> = seeds.filter_map(simulate).collect();
    println!(
        "{} of {simulated} seeds were workflows and have ended",
        ends.len()
    );
    // A few seeds are for looking at them.
    if simulated < 1_000 {
        return;
    }
    for status in [
        ExecutionStatus::Succeeded,
        ExecutionStatus::Failed,
        ExecutionStatus::Cancelled,
    ] {
        assert!(ends.contains(&status), "no seed ends {status}");
    }
    assert!(
        ends.len() as u64 > simulated / 4,
        "{} graphs are too few",
        ends.len()
    );
}
