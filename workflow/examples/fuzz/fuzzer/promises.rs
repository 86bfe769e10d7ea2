//! What has to hold for any JSON at all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use workflow::{Code, Plan, Problem, Severity, gravest};

use super::Input;

/// Set in the answer of [`check`] when the workflow is valid; below it, one bit for each code.
pub const VALID: u64 = 1 << 63;
/// More text than this in one list of problems is no help to anybody.
const MAX_TEXT: usize = 8 * 1024 * 1024;

/// The set of codes that were found, or the promise that was broken.
pub fn check(input: &Input) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| check_unguarded(input)))
        .unwrap_or_else(|_| Err("panicked".to_owned()))
}

/// As [`check`], for what may not even be JSON.
pub fn check_text(nodes: &str, connections: &str) -> Result<(), String> {
    catch_unwind(|| {
        let problems = workflow::problems_of_text(nodes, connections);
        let is_valid = workflow::is_valid_text(nodes, connections);
        if is_valid != (gravest(&problems) != Some(Severity::Error)) {
            return Err("is_valid_text and problems_of_text differ".to_owned());
        }
        if workflow::plan_of_text(nodes, connections).is_ok() != is_valid {
            return Err("is_valid_text and plan_of_text differ".to_owned());
        }
        Ok(())
    })
    .unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn check_unguarded(input: &Input) -> Result<u64, String> {
    let Input { nodes, connections } = input;
    let problems = workflow::problems(nodes, connections);
    if workflow::problems(nodes, connections) != problems {
        return Err("two lists of problems differ".to_owned());
    }
    let is_valid = gravest(&problems) != Some(Severity::Error);
    if workflow::is_valid(nodes, connections) != is_valid {
        return Err(format!("is_valid does not agree with {problems:?}"));
    }
    match workflow::plan(nodes, connections) {
        Ok(plan) if is_valid => check_plan(&plan, nodes)?,
        Err(found) if !is_valid && found == problems => {}
        other => return Err(format!("the plan does not agree: {other:?}")),
    }
    let document = json!({"nodes": nodes, "connections": connections});
    let mut text = 0;
    for problem in &problems {
        text += check_problem(problem, &document)?;
    }
    if text > MAX_TEXT {
        return Err(format!("the problems have {text} bytes"));
    }
    let codes = problems.iter().fold(0, |set, problem| {
        let bit = Code::ALL.iter().position(|code| *code == problem.code);
        set | 1_u64 << bit.unwrap_or(62)
    });
    Ok(codes | if is_valid { VALID } else { 0 })
}

/// Its bytes.
fn check_problem(problem: &Problem, document: &Value) -> Result<usize, String> {
    if problem.severity != problem.code.severity() {
        return Err(format!("another severity than its code: {problem:?}"));
    }
    if problem.message.is_empty() {
        return Err(format!("no message: {problem:?}"));
    }
    // What is missing has no place of its own, but what it is missing from has.
    let holder = match problem.pointer.rsplit_once('/') {
        Some((holder, _)) => holder,
        None => return Err(format!("no pointer: {problem:?}")),
    };
    if document.pointer(holder).is_none() {
        return Err(format!("points to nothing: {problem:?}"));
    }
    let id = problem.node_id.as_ref().map_or(0, String::len);
    Ok(problem.message.len() + problem.pointer.len() + id)
}

fn check_plan(plan: &Plan, nodes: &Value) -> Result<(), String> {
    if Some(plan.nodes.len()) != nodes.as_array().map(Vec::len) {
        return Err("the plan has another number of nodes".to_owned());
    }
    let stored = serde_json::to_value(plan).map_err(|error| error.to_string())?;
    // Reading checks the order and the edges once more.
    let read: Plan = serde_json::from_value(stored).map_err(|error| error.to_string())?;
    if read != *plan {
        return Err("the plan is another after JSON".to_owned());
    }
    Ok(())
}
