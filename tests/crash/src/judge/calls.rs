//! What the world saw is what is recorded, and once more only where somebody was killed.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Verdict, changes_of, story};
use crate::facts::{Change, Execution, Facts, is_final};

/// A step is recorded as running, with its attempt, before its call goes out: so there are never more calls than attempts.
pub fn are_recorded_before(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("no call without an attempt that is recorded");
    for ((id, node), calls) in &facts.calls {
        let Some(execution) = facts.executions.get(id) else {
            verdict.demand(false, || {
                format!("{node} was called by {id}, which is not there")
            });
            continue;
        };
        let attempts: BTreeSet<i32> = changes_of(execution, node)
            .filter(|change| change.status == "running")
            .map(|change| change.attempt)
            .collect();
        let recorded = execution.steps.get(node).map_or(0, |step| step.attempt);
        let most = attempts.len().min(usize::try_from(recorded).unwrap_or(0));
        verdict.demand(calls.len() <= most, || {
            format!(
                "{id} {node} was called {} times: {}",
                calls.len(),
                story(execution, node)
            )
        });
        // The first call cannot be older than the first record of it.
        let first = changes_of(execution, node).next().map(|change| change.at);
        let called = calls.first().map(|call| call.at);
        verdict.demand(first.is_some() && first < called, || {
            format!(
                "{id} {node} was called at {called:?}: {}",
                story(execution, node)
            )
        });
    }
    verdict
}

pub fn are_not_made_after_success(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("no call after its success is recorded");
    for ((id, node), calls) in &facts.calls {
        let Some(execution) = facts.executions.get(id) else {
            continue;
        };
        let Some(recorded) =
            changes_of(execution, node).find(|change| change.status == "succeeded")
        else {
            continue;
        };
        for call in calls {
            verdict.demand(call.at < recorded.at, || {
                format!(
                    "{id} {node} was called at {}: {}",
                    call.at,
                    story(execution, node)
                )
            });
        }
    }
    verdict
}

/// A recorded success has the answer to one of its own calls.
pub fn are_what_is_recorded(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("what is recorded of a call is what it was answered");
    for (id, execution) in &facts.executions {
        for node in &facts.workflows[execution.workflow].nodes {
            let (crate::workflows::Act::Call(_), Some(step)) =
                (node.act, execution.steps.get(&node.id))
            else {
                continue;
            };
            if step.status != "succeeded" {
                continue;
            }
            let number = step
                .output
                .as_ref()
                .and_then(|output| output["body"]["number"].as_u64());
            let calls = facts.calls_of(*id, &node.id);
            let is_there = calls.iter().any(|call| Some(call.number) == number);
            verdict.demand(is_there, || {
                format!("{id} {}: {:?} of {calls:?}", node.id, step.output)
            });
        }
    }
    verdict
}

/// An attempt that began again although the one before it had no end.
pub struct Repeat<'a> {
    id: Uuid,
    node: &'a str,
    execution: &'a Execution,
    begun: &'a Change,
    again: &'a Change,
}

pub fn repeats(facts: &Facts) -> impl Iterator<Item = Repeat<'_>> {
    facts.executions.iter().flat_map(|(id, execution)| {
        execution.steps.keys().flat_map(move |node| {
            let changes: Vec<&Change> = changes_of(execution, node).collect();
            changes
                .windows(2)
                .filter(|pair| {
                    pair[0].status == "running"
                        && pair[1].status == "running"
                        && pair[1].attempt > pair[0].attempt
                })
                .map(|pair| Repeat {
                    id: *id,
                    node,
                    execution,
                    begun: pair[0],
                    again: pair[1],
                })
                .collect::<Vec<_>>()
        })
    })
}

/// By each kill at most one: its worker was killed, or Postgres was away and the lease ran out.
pub fn are_repeated_for_a_reason(facts: &Facts) -> Verdict {
    let mut verdict =
        Verdict::new("no attempt begins again unless its worker or Postgres was killed");
    for repeat in repeats(facts) {
        let pid = repeat.begun.worker_pid();
        let is_killed = facts
            .killed
            .iter()
            .any(|killed| Some(killed.pid) == pid && killed.at <= repeat.again.at);
        let is_outage = facts
            .outages
            .iter()
            .any(|outage| outage.from <= repeat.again.at && outage.to >= repeat.begun.at);
        let by_itself = repeat.begun.worker == repeat.again.worker && !is_outage;
        verdict.demand((is_killed || is_outage) && !by_itself, || {
            format!(
                "{} {}: {}",
                repeat.id,
                repeat.node,
                story(repeat.execution, repeat.node)
            )
        });
    }
    verdict
}

/// For each step, how often the world saw it beyond what is recorded as ended, one way or the other.
pub fn repeated_effects(facts: &Facts) -> Vec<usize> {
    let calls = facts.calls.iter();
    let surplus = calls.filter_map(|((id, node), calls)| {
        let execution = facts.executions.get(id)?;
        let ended = changes_of(execution, node)
            .filter(|change| change.status == "waiting" || is_final(&change.status));
        Some(calls.len().saturating_sub(ended.count()))
    });
    surplus.collect()
}
