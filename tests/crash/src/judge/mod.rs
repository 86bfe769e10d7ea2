//! What must hold, whatever was killed when. Each invariant looks at the facts by itself, and knows nothing of how the product does it.

mod accepted;
mod calls;
mod order;
mod plan;
mod records;
#[cfg(test)]
mod tests;

pub use calls::{repeated_effects, repeats};

use crate::facts::{Change, Execution, Facts};

/// One invariant, and what was found of it.
#[derive(Debug)]
pub struct Verdict {
    pub what: &'static str,
    /// How many things it was asked of.
    pub looked_at: usize,
    pub broken: Vec<String>,
}

impl Verdict {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            looked_at: 0,
            broken: Vec::new(),
        }
    }

    fn demand(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.looked_at += 1;
        if !holds {
            self.broken.push(otherwise());
        }
    }
}

pub fn judge(facts: &Facts) -> Vec<Verdict> {
    vec![
        accepted::is_there_once(facts),
        accepted::is_charged_once(facts),
        accepted::has_ended(facts),
        accepted::leaves_nothing(facts),
        records::stay(facts),
        records::grow(facts),
        order::of_steps(facts),
        order::of_timers(facts),
        plan::is_followed(facts),
        plan::ends_for_a_reason(facts),
        calls::are_recorded_before(facts),
        calls::are_not_made_after_success(facts),
        calls::are_what_is_recorded(facts),
        calls::are_repeated_for_a_reason(facts),
        no_worker_ends_by_itself(facts),
    ]
}

fn no_worker_ends_by_itself(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("no worker ends by itself");
    verdict.looked_at = facts.killed.len();
    verdict.broken.clone_from(&facts.ended_by_themselves);
    verdict
}

/// The changes of one step, in their order.
fn changes_of<'a>(execution: &'a Execution, node: &'a str) -> impl Iterator<Item = &'a Change> {
    let changes = execution.changes.iter();
    changes.filter(move |change| change.node.as_deref() == Some(node))
}

/// The story of a step, for whoever reads what was broken.
fn story(execution: &Execution, node: &str) -> String {
    let told: Vec<String> = changes_of(execution, node)
        .map(|change| {
            let worker = change.worker.as_deref().unwrap_or("nobody");
            format!(
                "{} {} at {} by {worker}",
                change.status, change.attempt, change.at
            )
        })
        .collect();
    told.join(", ")
}
