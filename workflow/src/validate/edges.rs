//! Reads the connections, and checks each for itself.

use std::collections::HashSet;

use super::node::{Ids, Node};
use super::report::Report;
use crate::Code;
use crate::document::{Fields, Items, Json, View};
use crate::nearest::suggestion;
use crate::path::Path;

/// An edge between two nodes, by their indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge<'a> {
    pub(crate) source: u32,
    pub(crate) target: u32,
    pub(crate) handle: Option<&'a str>,
    /// Index in the connections.
    pub(crate) index: u32,
}

/// The edges that make sense: both ends exist, they differ, and no edge is there twice.
#[derive(Default)]
pub(crate) struct Edges<'a>(pub(crate) Vec<Edge<'a>>);

impl<'a> Edges<'a> {
    pub(crate) fn read(
        list: Items<'a>,
        nodes: &[Node<'a>],
        ids: &Ids<'a>,
        report: &mut Report,
    ) -> Edges<'a> {
        let mut seen = HashSet::new();
        let mut edges = Vec::new();
        for (index, value) in list.enumerate() {
            if report.is_settled() {
                break;
            }
            let path = Path::CONNECTIONS.index(index);
            let View::Object(fields) = value.view() else {
                report.add(
                    Code::BadShape,
                    None,
                    &path,
                    "a connection must be an object",
                );
                continue;
            };
            let source = end("source", fields, ids, &path, report);
            let target = end("target", fields, ids, &path, report);
            let handle = match fields.get("sourceHandle").map(Json::view) {
                None | Some(View::Null) => None,
                Some(View::String(handle)) => Some(handle),
                Some(_) => {
                    let message = "a sourceHandle must be a string or null";
                    report.add(Code::BadShape, None, &path.key("sourceHandle"), message);
                    continue;
                }
            };
            let (Some(source), Some(target), Ok(index)) = (source, target, u32::try_from(index))
            else {
                continue;
            };
            let id = nodes[source as usize].id;
            if source == target {
                let message = "an edge cannot lead from a node to itself; remove it";
                report.add(Code::SelfLoop, id, &path, message);
            } else if nodes[target as usize].is_trigger() {
                let message = "nothing comes before the trigger; remove the edge";
                let id = nodes[target as usize].id;
                report.add(Code::EdgeIntoTrigger, id, &path.key("target"), message);
            } else if !seen.insert((source, target, handle)) {
                let message = "the same edge is there already; remove one of them";
                report.add(Code::DuplicateEdge, id, &path, message);
            } else {
                edges.push(Edge {
                    source,
                    target,
                    handle,
                    index,
                });
            }
        }
        Edges(edges)
    }
}

fn end(
    name: &str,
    fields: Fields<'_>,
    ids: &Ids<'_>,
    path: &Path<'_>,
    report: &mut Report,
) -> Option<u32> {
    let path = &path.key(name);
    match fields.get(name).map(Json::view) {
        Some(View::String(id)) => {
            let known = ids.get(id).copied();
            if known.is_none() {
                let mut names: Vec<_> = ids.keys().copied().collect();
                names.sort_unstable();
                let message = match suggestion(id, names.into_iter()) {
                    Some(near) => format!("there is no such node; did you mean `{near}`?"),
                    None => "there is no such node; remove the edge".to_owned(),
                };
                report.add(Code::UnknownNode, None, path, message);
            }
            known
        }
        Some(_) => {
            let message = format!("a {name} must be the id of a node");
            report.add(Code::BadShape, None, path, message);
            None
        }
        None => {
            let message = format!("a connection needs a {name}");
            report.add(Code::MissingField, None, path, message);
            None
        }
    }
}
