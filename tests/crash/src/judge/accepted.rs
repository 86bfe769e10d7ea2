//! What was accepted is there, once, is charged once, and ends.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::Verdict;
use crate::clients::Cancelled;
use crate::facts::{Facts, is_final};

pub fn is_there_once(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("what was accepted is there once, and nothing else is");
    let mut known: HashMap<Uuid, &str> = HashMap::new();
    for (key, answered) in &facts.answers.by_key {
        let same = answered.iter().all(|id| *id == answered[0]);
        verdict.demand(same, || {
            format!("\"{key}\" was answered with several executions: {answered:?}")
        });
        for id in answered {
            known.insert(*id, key);
            let has_input = |facts: &Facts| {
                facts.executions.get(id).map(|found| &found.input) == Some(&json!({ "key": key }))
            };
            verdict.demand(has_input(facts), || {
                format!("{id}, which \"{key}\" was answered with, is not there")
            });
        }
    }
    for (batch, answered) in &facts.answers.by_batch {
        for id in answered {
            known.insert(*id, batch);
            verdict.demand(facts.executions.contains_key(id), || {
                format!("{id} of \"{batch}\" is not there")
            });
        }
        let mut numbers: Vec<_> = answered
            .iter()
            .filter_map(|id| facts.executions.get(id)?.input["number"].as_u64())
            .collect();
        numbers.sort_unstable();
        let whole = numbers.iter().copied().eq(0..answered.len() as u64);
        verdict.demand(whole, || {
            format!("\"{batch}\" is not what was asked for: {numbers:?}")
        });
    }
    for (id, execution) in &facts.executions {
        verdict.demand(known.contains_key(id), || {
            format!("nobody was told of {id}: {}", execution.input)
        });
    }
    verdict
}

pub fn is_charged_once(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("each execution is charged once");
    for charge in &facts.charges {
        verdict.looked_at += charge.executions.unsigned_abs() as usize;
        if charge.charged != charge.executions {
            verdict.broken.push(format!(
                "{} executions, and {} were charged",
                charge.executions, charge.charged
            ));
        }
    }
    verdict
}

pub fn has_ended(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("every execution has ended, and every step of it");
    for (id, execution) in &facts.executions {
        verdict.demand(is_final(&execution.status), || {
            format!("{id} is {}", execution.status)
        });
        for (node, step) in &execution.steps {
            verdict.demand(is_final(&step.status), || {
                format!(
                    "{id} is {}, and its {node} {}",
                    execution.status, step.status
                )
            });
        }
    }
    for (id, answered) in &facts.answers.cancelled {
        let status = facts.executions.get(id).map(|found| found.status.as_str());
        let holds = match answered {
            Cancelled::Answered(told) if told == "cancelled" => status == Some("cancelled"),
            _ => status.is_some_and(is_final),
        };
        verdict.demand(holds, || {
            format!("{id} was answered to be {answered:?}, and is {status:?}")
        });
    }
    verdict
}

pub fn leaves_nothing(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("the queue is empty");
    for (table, count) in &facts.left_in_queue {
        verdict.demand(*count == 0, || format!("queue.{table} has {count} rows"));
    }
    verdict
}
