//! What is recorded stays, and only grows.

use std::collections::HashMap;

use super::Verdict;
use crate::facts::{Facts, is_final};

pub fn stay(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("a final status is recorded once and never left");
    for (id, execution) in &facts.executions {
        let mut finals: HashMap<Option<&str>, usize> = HashMap::new();
        for change in &execution.changes {
            let left = change.was.as_deref().is_some_and(is_final);
            verdict.demand(!left && change.status != "deleted", || {
                format!(
                    "{id} {:?} was {:?} and became {}",
                    change.node, change.was, change.status
                )
            });
            if is_final(&change.status) {
                *finals.entry(change.node.as_deref()).or_default() += 1;
            }
        }
        for (node, step) in &execution.steps {
            let times = finals.get(&Some(node.as_str())).copied().unwrap_or(0);
            let wanted = usize::from(is_final(&step.status));
            verdict.demand(times == wanted, || {
                format!("the end of {id} {node} was recorded {times} times")
            });
        }
        let times = finals.get(&None).copied().unwrap_or(0);
        let wanted = usize::from(is_final(&execution.status));
        verdict.demand(times == wanted, || {
            format!("the end of {id} was recorded {times} times")
        });
    }
    verdict
}

pub fn grow(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("attempts and revisions only grow");
    for (id, execution) in &facts.executions {
        let mut last_revision = 0;
        let mut attempts: HashMap<&str, i32> = HashMap::new();
        for change in &execution.changes {
            let Some(node) = change.node.as_deref() else {
                continue;
            };
            verdict.demand(change.revision > last_revision, || {
                format!(
                    "{id} {node} became {} with revision {} after {last_revision}",
                    change.status, change.revision
                )
            });
            last_revision = change.revision;
            let before = attempts.insert(node, change.attempt).unwrap_or(0);
            let grows = change.attempt == before || change.attempt == before + 1;
            verdict.demand(grows, || {
                format!("{id} {node}: attempt {} after {before}", change.attempt)
            });
        }
    }
    verdict
}
