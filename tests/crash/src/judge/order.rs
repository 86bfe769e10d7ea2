//! Nothing happens before its time.

use super::{Verdict, changes_of, story};
use crate::facts::{Facts, is_final};
use crate::workflows::Act;

/// Clocks of one machine, read by several processes.
const SAME_INSTANT: i64 = 10_000;

pub fn of_steps(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("no step begins before those before it have ended");
    for (id, execution) in &facts.executions {
        let workflow = &facts.workflows[execution.workflow];
        let position = |node: &str, is_wanted: &dyn Fn(&str) -> bool| {
            execution.changes.iter().position(|change| {
                change.node.as_deref() == Some(node) && is_wanted(&change.status)
            })
        };
        for edge in &workflow.edges {
            let [from, to] = [edge.from, edge.to].map(|node| workflow.nodes[node].id.as_str());
            let Some(begun) = position(to, &|_| true) else {
                continue;
            };
            let ended = position(from, &is_final);
            verdict.demand(ended.is_some_and(|ended| ended < begun), || {
                format!(
                    "{id}: {to} began ({}) before {from} had ended ({})",
                    story(execution, to),
                    story(execution, from)
                )
            });
            // And as the world saw it.
            let called = facts.calls_of(*id, to).iter().map(|call| call.at).min();
            let recorded = ended.map(|ended| execution.changes[ended].at);
            if let (Some(called), Some(recorded)) = (called, recorded) {
                verdict.demand(called > recorded, || {
                    format!("{id}: {to} was called at {called}, and {from} ended at {recorded}")
                });
            }
        }
    }
    verdict
}

pub fn of_timers(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("no timer ends early");
    for (id, execution) in &facts.executions {
        for node in &facts.workflows[execution.workflow].nodes {
            let changes: Vec<_> = changes_of(execution, &node.id).collect();
            for pair in changes.windows(2) {
                let Some(run_at) = pair[0].run_at else {
                    continue;
                };
                // Unless the execution ends.
                if pair[1].status == "cancelled" {
                    continue;
                }
                verdict.demand(pair[1].at >= run_at - SAME_INSTANT, || {
                    format!(
                        "{id} {} waited until {run_at}: {}",
                        node.id,
                        story(execution, &node.id)
                    )
                });
            }
            if let (Act::Delay(_), Some(last)) = (node.act, changes.last()) {
                let has_waited = last.status != "succeeded"
                    || changes.iter().any(|change| change.run_at.is_some());
                verdict.demand(has_waited, || {
                    format!("{id} {} has not waited at all", node.id)
                });
            }
        }
    }
    verdict
}
