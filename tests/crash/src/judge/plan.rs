//! What ran is what the workflow says, and what did not succeed says why.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Verdict;
use crate::facts::{Execution, Facts, Step};
use crate::workflows::{Act, Edge, Workflow};

pub fn is_followed(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::new("what ran is what the workflow says");
    for (id, execution) in &facts.executions {
        let workflow = &facts.workflows[execution.workflow];
        for number in 0..workflow.nodes.len() {
            let found = check(workflow, &execution.steps, number, &execution.status);
            verdict.demand(found.is_ok(), || {
                let node = &workflow.nodes[number].id;
                format!("{id} {node}: {}", found.err().unwrap_or_default())
            });
        }
        let known = |node: &String| workflow.nodes.iter().any(|known| known.id == *node);
        verdict.demand(execution.steps.keys().all(known), || {
            format!("{id} has steps that are not in its workflow")
        });
    }
    verdict
}

fn check(
    workflow: &Workflow,
    steps: &BTreeMap<String, Step>,
    number: usize,
    status: &str,
) -> Result<(), String> {
    let node = &workflow.nodes[number];
    let step_of = |number: usize| steps.get(&workflow.nodes[number].id);
    let Some(step) = step_of(number) else {
        return match status {
            "succeeded" => Err("has no row, and the execution succeeded".to_owned()),
            _ => Ok(()),
        };
    };
    let predecessors: Vec<&Edge> = workflow.predecessors(number).collect();
    let before: Option<Vec<&Step>> = predecessors.iter().map(|edge| step_of(edge.from)).collect();
    let Some(before) = before else {
        return Err(format!("is {}, and one before it has no row", step.status));
    };
    let mut predecessors = predecessors.iter().zip(&before);
    let is_taken = predecessors.any(|(edge, before)| is_taken(workflow, edge, before));
    let runs = node.act == Act::Trigger || is_taken;
    match (step.status.as_str(), status) {
        ("skipped", _) if runs => Err("was skipped, and a way led into it".to_owned()),
        ("skipped", _) => Ok(()),
        _ if !runs => Err(format!("is {}, and no way led into it", step.status)),
        ("failed", "succeeded") if !node.continues => {
            Err("failed, and the execution succeeded".to_owned())
        }
        ("cancelled", "succeeded") => Err("was cancelled, and the execution succeeded".to_owned()),
        _ if !matches!(node.act, Act::Call(_)) && step.attempt != 1 => {
            Err(format!("is at attempt {}", step.attempt))
        }
        ("failed", _) if !matches!(node.act, Act::Call(_)) => {
            Err(format!("failed: {:?}", step.error))
        }
        _ => Ok(()),
    }
}

fn is_taken(workflow: &Workflow, edge: &Edge, before: &Step) -> bool {
    let from = &workflow.nodes[edge.from];
    match before.status.as_str() {
        "succeeded" if from.act == Act::Condition => before.handle.as_deref() == edge.handle,
        "succeeded" => true,
        "failed" => from.continues,
        _ => false,
    }
}

pub fn ends_for_a_reason(facts: &Facts) -> Verdict {
    let mut verdict =
        Verdict::new("what failed was refused by the world, and what is cancelled was asked to be");
    for (id, execution) in &facts.executions {
        let workflow = &facts.workflows[execution.workflow];
        for node in &workflow.nodes {
            let Some(step) = execution.steps.get(&node.id) else {
                continue;
            };
            if step.status != "failed" {
                continue;
            }
            let holds = by_the_world(&step.error) && step.attempt >= node.max_attempts;
            verdict.demand(holds, || {
                format!(
                    "{id} {} failed at attempt {}: {:?}",
                    node.id, step.attempt, step.error
                )
            });
        }
        let holds = match execution.status.as_str() {
            "failed" => by_the_world(&execution.error) && has_failed_for_good(workflow, execution),
            "cancelled" => facts.answers.cancelled.contains_key(id),
            _ => execution.error.is_none(),
        };
        verdict.demand(holds, || {
            format!("{id} is {}: {:?}", execution.status, execution.error)
        });
    }
    verdict
}

/// What a call can fail with here. No other code stands for anything that this test does to anybody.
fn by_the_world(error: &Option<Value>) -> bool {
    let code = error.as_ref().and_then(|error| error["code"].as_str());
    matches!(code, Some("http_status" | "http_timeout"))
}

/// One step, and no more, ended the execution.
fn has_failed_for_good(workflow: &Workflow, execution: &Execution) -> bool {
    let ended = workflow.nodes.iter().filter(|node| {
        let step = execution.steps.get(&node.id);
        !node.continues && step.is_some_and(|step| step.status == "failed")
    });
    ended.count() == 1
}
