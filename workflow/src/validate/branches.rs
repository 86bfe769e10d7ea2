//! The handles of edges: those that a node has, and those that must lead somewhere.

use super::graph::Graph;
use super::node::Node;
use super::report::Report;
use crate::document::{Items, Json};
use crate::nearest::suggestion;
use crate::path::Path;
use crate::plan::OnError;
use crate::progress::ERROR_HANDLE;
use crate::{Code, Kind};

/// Cases of a switch that are looked at. The schema allows fewer; more are reported there.
const MOST_CASES: usize = 64;

pub(crate) fn check(nodes: &[Node<'_>], graph: &Graph<'_>, report: &mut Report) {
    for (index, node) in nodes.iter().enumerate() {
        // Of a node that is not understood, nobody knows the handles.
        let Some(kind) = node.kind else { continue };
        if report.is_settled() {
            return;
        }
        let handles = Handles::of(node, kind);
        if kind == Kind::Switch {
            cases(node, index, report);
        }
        if !kind.is_condition() && node.on_error != OnError::Branch && !has_handle(graph, index) {
            continue;
        }
        for edge in graph.outgoing(index) {
            check_edge(node, kind, &handles, edge, report);
        }
        missing(node, index, kind, &handles, graph, report);
    }
}

fn has_handle(graph: &Graph<'_>, node: usize) -> bool {
    graph
        .outgoing(node)
        .iter()
        .any(|edge| edge.handle.is_some())
}

/// The handles of one node, `error` aside.
struct Handles<'a>(Vec<&'a str>);

impl<'a> Handles<'a> {
    fn of(node: &Node<'a>, kind: Kind) -> Handles<'a> {
        match kind {
            Kind::Switch => {
                let cases = switch_handles(node).take(MOST_CASES);
                Handles(cases.chain(["default"]).collect())
            }
            kind => Handles(kind.handles().to_vec()),
        }
    }
}

fn all_cases<'a>(node: &Node<'a>) -> Items<'a> {
    let config = node.value.get("config");
    let cases = config.and_then(|config| config.get("cases"));
    cases.map_or(Items::NONE, Json::items)
}

/// The handles of a switch's cases, in their order.
pub(crate) fn switch_handles<'a>(node: &Node<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    all_cases(node).filter_map(|case| case.get("handle")?.as_str())
}

fn check_edge(
    node: &Node<'_>,
    kind: Kind,
    handles: &Handles<'_>,
    edge: &super::edges::Edge<'_>,
    report: &mut Report,
) {
    let path = &Path::CONNECTIONS.index(edge.index as usize);
    let path = &path.key("sourceHandle");
    match edge.handle {
        None if kind.is_condition() => {
            let message = format!("say which branch the edge is: {}", handles.0.join(", "));
            report.add(Code::MissingHandle, node.id, path, message);
        }
        None => {}
        Some(ERROR_HANDLE) if node.on_error == OnError::Branch => {}
        Some(ERROR_HANDLE) => {
            let message = "the step has no error branch; set its on_error to branch";
            report.add(Code::UnknownHandle, node.id, path, message);
        }
        Some(handle) if handles.0.contains(&handle) => {}
        Some(handle) if !handles.0.is_empty() => {
            let message = match suggestion(handle, handles.0.iter().copied()) {
                Some(near) => format!("there is no such branch; did you mean `{near}`?"),
                None => format!("there is no such branch; use {}", handles.0.join(", ")),
            };
            report.add(Code::UnknownHandle, node.id, path, message);
        }
        Some(_) => {
            let message = "only conditions and approvals branch; remove the sourceHandle";
            report.add(Code::UnexpectedHandle, node.id, path, message);
        }
    }
}

fn missing(
    node: &Node<'_>,
    index: usize,
    kind: Kind,
    handles: &Handles<'_>,
    graph: &Graph<'_>,
    report: &mut Report,
) {
    let path = &Path::NODES.index(index);
    let edges = graph.outgoing(index);
    let leads = |handle: &str| edges.iter().any(|edge| edge.handle == Some(handle));
    if node.on_error == OnError::Branch && !leads(ERROR_HANDLE) {
        let message = "on_error is branch, but no edge has the handle error; draw one";
        report.add(Code::MissingBranch, node.id, path, message);
    }
    match kind {
        Kind::If if !leads("true") && !leads("false") => {
            let message = "neither the branch true nor false leads anywhere; draw one of them";
            report.add(Code::MissingBranch, node.id, path, message);
        }
        Kind::Switch if !leads("default") => {
            let message = "the branch default leads nowhere; draw its edge";
            report.add(Code::MissingBranch, node.id, path, message);
        }
        _ => {}
    }
    if kind == Kind::Approval && edges.iter().any(|edge| edge.handle.is_none()) {
        // That edge goes on whatever was decided.
        return;
    }
    let mut unused: Vec<&str> = handles
        .0
        .iter()
        .copied()
        .filter(|handle| !leads(handle) && *handle != "default" && *handle != ERROR_HANDLE)
        .collect();
    unused.dedup();
    // An `if` that leads nowhere is reported already, and an approval may be the last step.
    if unused.is_empty() || (matches!(kind, Kind::If | Kind::Approval) && unused.len() == 2) {
        return;
    }
    let message = match unused.as_slice() {
        [one] => format!("the branch {one} leads nowhere, so a run that takes it ends there"),
        many => format!(
            "the branches {} lead nowhere, so a run that takes one ends there",
            many.join(", ")
        ),
    };
    report.add(Code::UnusedBranch, node.id, path, message);
}

/// Two cases of one handle, or a case that takes a handle with a meaning of its own.
fn cases(node: &Node<'_>, index: usize, report: &mut Report) {
    let path = &Path::NODES.index(index);
    let path = &path.key("config");
    let path = &path.key("cases");
    let handles: Vec<Option<&str>> = all_cases(node)
        .take(MOST_CASES)
        .map(|case| case.get("handle").and_then(Json::as_str))
        .collect();
    for (at, handle) in handles.iter().enumerate() {
        let Some(name) = *handle else { continue };
        let message = if name == ERROR_HANDLE || name == "default" {
            "this handle has a meaning of its own; choose another name"
        } else if handles[..at].contains(handle) {
            "another case has this handle already; merge them with `or`"
        } else {
            continue;
        };
        let path = &path.index(at);
        report.add(Code::DuplicateHandle, node.id, &path.key("handle"), message);
    }
}
