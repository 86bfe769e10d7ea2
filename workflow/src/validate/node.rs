//! Reads the nodes: what each is, before its config is looked at.

use std::collections::HashMap;

use super::report::Report;
use crate::document::{Fields, Items, Json, View};
use crate::nearest::suggestion;
use crate::path::Path;
use crate::plan::{OnError, Retry};
use crate::{Code, Kind, NodeType};

/// A node, as far as it can be understood.
pub(crate) struct Node<'a> {
    pub(crate) value: Json<'a>,
    /// Its id, unless it has none or shares it with an earlier node.
    pub(crate) id: Option<&'a str>,
    pub(crate) node_type: Option<NodeType>,
    pub(crate) kind: Option<Kind>,
    pub(crate) on_error: OnError,
}

impl<'a> Node<'a> {
    pub(crate) fn is_trigger(&self) -> bool {
        self.node_type == Some(NodeType::Trigger)
    }

    pub(crate) fn name(&self) -> Option<&'a str> {
        self.value.get("name").and_then(Json::as_str)
    }

    /// What a `for_each` does with an item, if that is understood.
    pub(crate) fn item_kind(&self) -> Option<Kind> {
        let action = self.value.get("config")?.get("do")?;
        Kind::for_items(action.get("kind")?.as_str()?)
    }

    pub(crate) fn retry(&self, kind: Kind) -> Retry {
        // The attempts of a `for_each` are those of each item.
        let default = Retry::default_of(match kind {
            Kind::ForEach => self.item_kind().unwrap_or(kind),
            kind => kind,
        });
        let given = self.value.get("retry");
        let seconds = |name: &str, default: f64| {
            given
                .and_then(|retry| retry.get(name))
                .and_then(Json::as_f64)
                .unwrap_or(default)
        };
        Retry {
            // Checked to be a whole number from 1 to 20.
            max_attempts: seconds("max_attempts", f64::from(default.max_attempts)) as u32,
            initial_seconds: seconds("initial_seconds", default.initial_seconds),
            max_seconds: seconds("max_seconds", default.max_seconds),
            factor: seconds("factor", default.factor),
        }
    }
}

/// The index of each node that has an id of its own.
pub(crate) type Ids<'a> = HashMap<&'a str, u32>;

/// Reads every node, until the report is settled. An index means the same in the list and in the
/// result.
pub(crate) fn read<'a>(list: Items<'a>, report: &mut Report) -> (Vec<Node<'a>>, Ids<'a>) {
    let mut ids = Ids::new();
    let mut nodes = Vec::new();
    for (number, (index, value)) in (0_u32..).zip(list.enumerate()) {
        if report.is_settled() {
            break;
        }
        let path = Path::NODES.index(index);
        let mut node = Node {
            value,
            id: None,
            node_type: None,
            kind: None,
            on_error: OnError::default(),
        };
        if let View::Object(fields) = value.view() {
            node.id = id(fields, &path, report);
            if let Some(id) = node.id
                && let Some(earlier) = ids.insert(id, number)
            {
                let message = format!("the id is used by node {earlier} already; give it its own");
                report.add(Code::DuplicateId, Some(id), &path.key("id"), message);
                ids.insert(id, earlier);
                node.id = None;
            }
            node.node_type = node_type(fields, node.id, &path, report);
            node.kind = node
                .node_type
                .and_then(|node_type| kind(node_type, fields, node.id, &path, report));
            node.on_error = match fields.get("on_error").and_then(Json::as_str) {
                Some("continue") => OnError::Continue,
                Some("branch") => OnError::Branch,
                _ => OnError::Fail,
            };
        } else {
            report.add(Code::BadShape, None, &path, "a node must be an object");
        }
        nodes.push(node);
    }
    (nodes, ids)
}

fn id<'a>(fields: Fields<'a>, path: &Path<'_>, report: &mut Report) -> Option<&'a str> {
    match fields.get("id").map(Json::view) {
        Some(View::String(id)) if !id.is_empty() => return Some(id),
        Some(View::String(_)) | None | Some(View::Null) => {
            report.add(Code::MissingId, None, &path.key("id"), "a node needs an id");
        }
        Some(_) => report.add(
            Code::BadShape,
            None,
            &path.key("id"),
            "an id must be a string",
        ),
    }
    None
}

fn node_type(
    fields: Fields<'_>,
    id: Option<&str>,
    path: &Path<'_>,
    report: &mut Report,
) -> Option<NodeType> {
    let path = &path.key("type");
    let names = || NodeType::ALL.into_iter().map(NodeType::as_str);
    let text = match fields.get("type").map(Json::view) {
        Some(View::String(text)) => text,
        None => {
            let message = format!("a node needs a type: {}", join(names()));
            report.add(Code::MissingField, id, path, message);
            return None;
        }
        Some(_) => {
            report.add(Code::BadShape, id, path, "a type must be a string");
            return None;
        }
    };
    let known = NodeType::parse(text);
    if known.is_none() {
        let message = match suggestion(text, names()) {
            Some(near) => format!("there is no such type of node; did you mean `{near}`?"),
            None => format!("there is no such type of node; use {}", join(names())),
        };
        report.add(Code::UnknownType, id, path, message);
    }
    known
}

fn kind(
    node_type: NodeType,
    fields: Fields<'_>,
    id: Option<&str>,
    path: &Path<'_>,
    report: &mut Report,
) -> Option<Kind> {
    let path = &path.key("config");
    let config = match fields.get("config").map(Json::view) {
        Some(View::Object(config)) => config,
        None | Some(View::Null) => {
            report.add(Code::MissingField, id, path, "a node needs a config");
            return None;
        }
        Some(_) => {
            report.add(Code::BadShape, id, path, "a config must be an object");
            return None;
        }
    };
    let path = &path.key("kind");
    let names = || node_type.kinds().iter().map(|(name, _)| *name);
    let text = match config.get("kind").map(Json::view) {
        Some(View::String(text)) => text,
        None if node_type == NodeType::AiProcessing => return Some(Kind::Ai),
        None => {
            let message = format!("a node of type {node_type} needs a kind: {}", join(names()));
            report.add(Code::MissingField, id, path, message);
            return None;
        }
        Some(_) => {
            report.add(Code::BadShape, id, path, "a kind must be a string");
            return None;
        }
    };
    let known = node_type
        .kinds()
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, kind)| *kind);
    if known.is_none() {
        report.add(Code::UnknownKind, id, path, unknown_kind(text, node_type));
    }
    known
}

fn unknown_kind(text: &str, node_type: NodeType) -> String {
    let elsewhere = NodeType::ALL
        .into_iter()
        .find(|other| other.kinds().iter().any(|(name, _)| *name == text));
    let names = || node_type.kinds().iter().map(|(name, _)| *name);
    match (elsewhere, suggestion(text, names())) {
        (Some(other), _) => format!("this kind belongs to nodes of type {other}; change the type"),
        (_, Some(near)) => {
            format!("nodes of type {node_type} have no such kind; did you mean `{near}`?")
        }
        _ => format!(
            "nodes of type {node_type} have no such kind; use {}",
            join(names())
        ),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
