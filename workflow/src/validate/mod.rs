//! Finds everything that is wrong with a workflow, in one pass over its JSON and a few over its
//! graph.

mod branches;
mod config;
mod cycles;
mod edges;
mod expressions;
mod graph;
mod node;
mod report;
mod size;
mod sure;

use serde_json::Value;

use crate::document::{Document, Items, Json, View};
use crate::limits::{MAX_CONNECTIONS, MAX_NODES};
use crate::path::Path;
use crate::plan::{Plan, PlanEdge, PlanNode};
use crate::{Code, Problem, Severity};

use edges::Edges;
use graph::Graph;
use node::Node;
use report::{Report, Wanted};

/// Everything that is wrong with a workflow, in document order and then by code. Any JSON is
/// welcome: whatever is not a workflow has problems.
///
/// "Document order" is the order of the arrays, and of the names within an object.
pub fn problems(nodes: &Value, connections: &Value) -> Vec<Problem> {
    let (nodes, connections) = (Document::of(nodes), Document::of(connections));
    Checked::new(&nodes, &connections, Wanted::Problems)
        .report
        .finish()
}

/// Whether a workflow can become active: it has no problem of severity `error`.
pub fn is_valid(nodes: &Value, connections: &Value) -> bool {
    is_valid_document(&Document::of(nodes), &Document::of(connections))
}

/// As [`is_valid`], of what was never a `Value`.
pub fn is_valid_document(nodes: &Document<'_>, connections: &Document<'_>) -> bool {
    !Checked::new(nodes, connections, Wanted::Verdict)
        .report
        .has_error()
}

/// What a worker runs.
///
/// # Errors
/// All problems, warnings included, when at least one is of severity `error`.
pub fn plan(nodes: &Value, connections: &Value) -> Result<Plan, Vec<Problem>> {
    let (document, connections) = (Document::of(nodes), Document::of(connections));
    let checked = Checked::new(&document, &connections, Wanted::Problems);
    if checked.report.has_error() {
        return Err(checked.report.finish());
    }
    match checked.plan(nodes) {
        Some(plan) => Ok(plan),
        None => Err(checked.report.finish()),
    }
}

/// As [`problems`], from JSON text; text that is not JSON, or nests too deeply to be read, is a
/// problem too.
pub fn problems_of_text(nodes: &str, connections: &str) -> Vec<Problem> {
    let (nodes, connections) = match parse(nodes, connections) {
        Ok(parsed) => parsed,
        Err(problems) => return problems,
    };
    problems(&nodes, &connections)
}

/// As [`is_valid`], from JSON text.
pub fn is_valid_text(nodes: &str, connections: &str) -> bool {
    parse(nodes, connections).is_ok_and(|(nodes, connections)| is_valid(&nodes, &connections))
}

/// As [`plan`], from JSON text.
///
/// # Errors
/// As [`plan`], and when the text is not JSON.
pub fn plan_of_text(nodes: &str, connections: &str) -> Result<Plan, Vec<Problem>> {
    let (nodes, connections) = parse(nodes, connections)?;
    plan(&nodes, &connections)
}

fn parse(nodes: &str, connections: &str) -> Result<(Value, Value), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read = |text: &str, pointer: &str| {
        serde_json::from_str(text).unwrap_or_else(|error| {
            let message = format!("cannot be read as JSON: {error}");
            problems.push(Problem::new(Code::NotJson, None, pointer, message));
            Value::Null
        })
    };
    let parsed = (read(nodes, "/nodes"), read(connections, "/connections"));
    if problems.is_empty() {
        Ok(parsed)
    } else {
        Err(problems)
    }
}

/// A workflow with all its rules checked.
struct Checked<'a> {
    nodes: Vec<Node<'a>>,
    graph: Graph<'a>,
    report: Report,
}

impl<'a> Checked<'a> {
    fn new(nodes: &'a Document<'_>, connections: &'a Document<'_>, wanted: Wanted) -> Checked<'a> {
        let mut report = Report::new(wanted);
        if !size::check(nodes, connections, &mut report) {
            return Checked {
                nodes: Vec::new(),
                graph: Graph::default(),
                report,
            };
        }
        let (nodes, connections) = (nodes.root(), connections.root());
        let node_list = list(nodes, &Path::NODES, MAX_NODES, "nodes", &mut report);
        let edge_list = list(
            connections,
            &Path::CONNECTIONS,
            MAX_CONNECTIONS,
            "connections",
            &mut report,
        );
        let (nodes, ids) = node::read(node_list, &mut report);
        let edges = Edges::read(edge_list, &nodes, &ids, &mut report);
        let graph = Graph::new(&nodes, edges, &mut report);
        config::check(&nodes, &ids, &graph, &mut report);
        Checked {
            nodes,
            graph,
            report,
        }
    }

    /// `values` are the nodes as they were given.
    fn plan(&self, values: &Value) -> Option<Plan> {
        let mut position = vec![usize::MAX; self.nodes.len()];
        for (place, node) in self.graph.order.iter().enumerate() {
            position[*node as usize] = place;
        }
        let mut planned = Vec::with_capacity(self.nodes.len());
        for node in &self.graph.order {
            let node_index = *node as usize;
            let node = &self.nodes[node_index];
            let kind = node.kind?;
            planned.push(PlanNode {
                id: node.id?.to_owned(),
                name: node.name().map(str::to_owned),
                kind,
                config: values.get(node_index)?.get("config")?.clone(),
                retry: node.retry(kind),
                timeout: node.value.get("timeout").and_then(Json::as_f64),
                on_error: node.on_error,
                incoming: u32::try_from(self.graph.incoming(node_index)).ok()?,
                outgoing: self
                    .graph
                    .outgoing(node_index)
                    .iter()
                    .map(|edge| PlanEdge {
                        to: position[edge.target as usize],
                        handle: edge.handle.map(str::to_owned),
                    })
                    .collect(),
            });
        }
        Some(Plan::new(planned))
    }
}

fn list<'a>(
    value: Json<'a>,
    path: &Path<'_>,
    most: usize,
    name: &str,
    report: &mut Report,
) -> Items<'a> {
    match value.view() {
        View::Array(items) if items.count() > most => {
            let message = format!("a workflow has at most {most} {name}; split it");
            report.add(Code::TooLarge, None, path, message);
            Items::NONE
        }
        View::Array(items) => items,
        _ => {
            report.add(Code::BadShape, None, path, "must be an array");
            Items::NONE
        }
    }
}

/// How grave a list of problems is: `None` when it is empty.
pub fn gravest(problems: &[Problem]) -> Option<Severity> {
    problems.iter().map(|problem| problem.severity).min()
}
