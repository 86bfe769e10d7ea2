//! The workflow language as SQL sees it. The rules themselves are in the crate `workflow`, which knows nothing of Postgres.

use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value;
use workflow::{Code, Problem, Severity};

use crate::fault::invalid;
use crate::jsonb::{Decoded, Jsonb};

/// Every problem of a workflow at once, in a fixed order.
///
/// A null argument is a workflow that is not there, and has a problem: this is why the function is not strict.
#[pg_extern(immutable, parallel_safe)]
fn workflow_problems(
    nodes: Option<Jsonb<'_>>,
    connections: Option<Jsonb<'_>>,
) -> TableIterator<
    'static,
    (
        name!(severity, String),
        name!(code, String),
        name!(node_id, Option<String>),
        name!(pointer, String),
        name!(message, String),
    ),
> {
    let graph = Graph::read(nodes, connections);
    TableIterator::new(graph.problems().into_iter().map(|problem| {
        (
            problem.severity.as_str().to_owned(),
            problem.code.as_str().to_owned(),
            problem.node_id,
            problem.pointer,
            problem.message,
        )
    }))
}

/// Whether a workflow has no problem of severity error: fit for a check constraint.
#[pg_extern(immutable, strict, parallel_safe)]
fn workflow_is_valid(nodes: Jsonb<'_>, connections: Jsonb<'_>) -> bool {
    if let (Some(nodes), Some(connections)) = (nodes.document(), connections.document()) {
        return workflow::is_valid_document(&nodes, &connections);
    }
    let graph = Graph::read(Some(nodes), Some(connections));
    graph.unrepresentable.is_empty() && workflow::is_valid(&graph.nodes, &graph.connections)
}

/// What a worker runs. Raises 22023 when the workflow has an error.
#[pg_extern(immutable, strict, parallel_safe)]
fn workflow_plan(nodes: Jsonb<'_>, connections: Jsonb<'_>) -> JsonB {
    let graph = Graph::read(Some(nodes), Some(connections));
    let problems = match workflow::plan(&graph.nodes, &graph.connections) {
        Ok(plan) if graph.unrepresentable.is_empty() => match serde_json::to_value(plan) {
            Ok(plan) => return JsonB(plan),
            Err(error) => invalid(format!("the plan cannot be written as JSON: {error}")),
        },
        Ok(_) => graph.unrepresentable,
        Err(problems) => problems,
    };
    let errors: Vec<_> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    let first = errors.first().map_or_else(String::new, |problem| {
        format!("; the first is at {}: {}", problem.pointer, problem.message)
    });
    invalid(format!(
        "a workflow with errors has no plan: {} found{first}",
        errors.len()
    ))
}

/// The JSON schemas that node configurations are checked against.
#[pg_extern(immutable, strict, parallel_safe)]
fn node_schemas() -> JsonB {
    JsonB(workflow::node_schemas().clone())
}

struct Graph {
    nodes: Value,
    connections: Value,
    /// What is wrong with the JSON itself, before the language looks at it.
    unrepresentable: Vec<Problem>,
}

impl Graph {
    fn read(nodes: Option<Jsonb<'_>>, connections: Option<Jsonb<'_>>) -> Self {
        let mut unrepresentable = Vec::new();
        let mut side = |json: Option<Jsonb<'_>>, root: &str| {
            let Decoded {
                value,
                numbers_out_of_range,
            } = json.map_or_else(Decoded::null, |json| json.decode());
            unrepresentable.extend(numbers_out_of_range.into_iter().map(|pointer| {
                Problem::new(
                    Code::TooLarge,
                    None,
                    format!("{root}{pointer}"),
                    "this number is outside of what JSON readers hold (about 1.8e308); write a smaller one, or a string",
                )
            }));
            value
        };
        Graph {
            nodes: side(nodes, "/nodes"),
            connections: side(connections, "/connections"),
            unrepresentable,
        }
    }

    fn problems(self) -> Vec<Problem> {
        let mut problems = self.unrepresentable;
        problems.extend(workflow::problems(&self.nodes, &self.connections));
        problems
    }
}
