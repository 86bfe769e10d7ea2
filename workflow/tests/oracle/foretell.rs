//! The problems that a graph must have, found by force.

use std::collections::HashMap;

use crate::dice::Dice;
use crate::draw::{Drawing, Kind, OnError};
use crate::runs::{Runs, Wire};

/// Every code that is foretold.
pub const CODES: [&str; 17] = [
    "cycle",
    "duplicate_edge",
    "duplicate_id",
    "edge_into_trigger",
    "missing_branch",
    "missing_handle",
    "missing_trigger",
    "second_trigger",
    "self_loop",
    "step_not_before",
    "step_not_sure",
    "unexpected_handle",
    "unknown_handle",
    "unknown_node",
    "unknown_step",
    "unreachable_node",
    "unused_branch",
];

type Problem = (&'static str, String);

/// What must be found, and what may be found besides.
#[derive(Default)]
pub struct Foretold {
    pub certain: Vec<Problem>,
    pub possible: Vec<Problem>,
}

pub fn problems(drawing: &Drawing, dice: &mut Dice) -> Foretold {
    let mut oracle = Oracle::new(drawing);
    oracle.edges();
    oracle.triggers();
    oracle.branches();
    oracle.close();
    oracle.cycles();
    oracle.unreachable();
    oracle.references(dice);
    oracle.foretold
}

struct Oracle<'a> {
    drawing: &'a Drawing,
    /// The node that an id means: the first that has it.
    ids: HashMap<&'a str, usize>,
    /// The edges that make sense, each with its index in the drawing.
    wires: Vec<(usize, Wire)>,
    /// Whether a path of one edge or more leads from one node to another.
    leads: Vec<Vec<bool>>,
    foretold: Foretold,
}

impl<'a> Oracle<'a> {
    fn new(drawing: &'a Drawing) -> Oracle<'a> {
        let mut ids = HashMap::new();
        let mut foretold = Foretold::default();
        for (index, node) in drawing.nodes.iter().enumerate() {
            if ids.contains_key(node.id.as_str()) {
                foretold
                    .certain
                    .push(("duplicate_id", format!("/nodes/{index}/id")));
            } else {
                ids.insert(node.id.as_str(), index);
            }
        }
        let count = drawing.nodes.len();
        Oracle {
            drawing,
            ids,
            wires: Vec::new(),
            leads: vec![vec![false; count]; count],
            foretold,
        }
    }

    fn say(&mut self, code: &'static str, pointer: String) {
        self.foretold.certain.push((code, pointer));
    }

    fn is_trigger(&self, node: usize) -> bool {
        self.drawing.nodes[node].kind == Kind::Trigger
    }

    fn edges(&mut self) {
        for (index, edge) in self.drawing.edges.iter().enumerate() {
            let place = format!("/connections/{index}");
            let source = self.ids.get(edge.source.as_str()).copied();
            let target = self.ids.get(edge.target.as_str()).copied();
            for (end, name) in [(source, "source"), (target, "target")] {
                if end.is_none() {
                    self.say("unknown_node", format!("{place}/{name}"));
                }
            }
            let (Some(source), Some(target)) = (source, target) else {
                continue;
            };
            let wire = Wire {
                source,
                target,
                handle: edge.handle,
            };
            if source == target {
                self.say("self_loop", place);
            } else if self.is_trigger(target) {
                self.say("edge_into_trigger", format!("{place}/target"));
            } else if self.wires.iter().any(|(_, other)| *other == wire) {
                self.say("duplicate_edge", place);
            } else {
                self.wires.push((index, wire));
            }
        }
    }

    fn triggers(&mut self) {
        let triggers: Vec<usize> = (0..self.drawing.nodes.len())
            .filter(|node| self.is_trigger(*node))
            .collect();
        if triggers.is_empty() {
            self.say("missing_trigger", "/nodes".to_owned());
        }
        for node in triggers.into_iter().skip(1) {
            self.say("second_trigger", format!("/nodes/{node}"));
        }
    }

    fn branches(&mut self) {
        for (index, wire) in self.wires.clone() {
            let node = &self.drawing.nodes[wire.source];
            let has_error = node.on_error == OnError::Branch;
            let code = match wire.handle {
                None if node.kind.is_condition() => "missing_handle",
                None => continue,
                Some("error") if has_error => continue,
                Some("error") => "unknown_handle",
                Some(handle) if node.kind.handles().contains(&handle) => continue,
                Some(_) if !node.kind.handles().is_empty() => "unknown_handle",
                Some(_) => "unexpected_handle",
            };
            self.say(code, format!("/connections/{index}/sourceHandle"));
        }
        for (index, node) in self.drawing.nodes.iter().enumerate() {
            let leads = |handle: &str| {
                self.wires
                    .iter()
                    .any(|(_, wire)| wire.source == index && wire.handle == Some(handle))
            };
            let is_plain = self
                .wires
                .iter()
                .any(|(_, wire)| wire.source == index && wire.handle.is_none());
            let handles = node.kind.handles();
            let led = handles.iter().filter(|handle| leads(handle)).count();
            let mut codes = Vec::new();
            if node.on_error == OnError::Branch && !leads("error") {
                codes.push("missing_branch");
            }
            match node.kind {
                Kind::If if led == 0 => codes.push("missing_branch"),
                Kind::If if led == 1 => codes.push("unused_branch"),
                Kind::Switch(cases) => {
                    if !leads("default") {
                        codes.push("missing_branch");
                    }
                    if led - usize::from(leads("default")) < cases {
                        codes.push("unused_branch");
                    }
                }
                // One branch is drawn, and nothing is for both.
                Kind::Approval if led == 1 && !is_plain => codes.push("unused_branch"),
                _ => {}
            }
            for code in codes {
                self.say(code, format!("/nodes/{index}"));
            }
        }
    }

    /// Warshall's algorithm.
    fn close(&mut self) {
        for (_, wire) in &self.wires {
            self.leads[wire.source][wire.target] = true;
        }
        let count = self.leads.len();
        for middle in 0..count {
            for from in 0..count {
                for to in 0..count {
                    self.leads[from][to] |= self.leads[from][middle] && self.leads[middle][to];
                }
            }
        }
    }

    /// One for each group of nodes that lead to each other, at the first of them.
    fn cycles(&mut self) {
        for node in 0..self.leads.len() {
            let leads = &self.leads;
            let is_first = !(0..node).any(|other| leads[node][other] && leads[other][node]);
            if leads[node][node] && is_first {
                self.say("cycle", format!("/nodes/{node}"));
            }
        }
    }

    fn unreachable(&mut self) {
        let triggers: Vec<usize> = (0..self.leads.len())
            .filter(|node| self.is_trigger(*node))
            .collect();
        if triggers.is_empty() {
            return;
        }
        for node in 0..self.leads.len() {
            let has_id = self.ids.get(self.drawing.nodes[node].id.as_str()) == Some(&node);
            let is_reached = triggers.iter().any(|from| self.leads[*from][node]);
            if has_id && !is_reached && !self.is_trigger(node) {
                self.say("unreachable_node", format!("/nodes/{node}"));
            }
        }
    }

    fn references(&mut self, dice: &mut Dice) {
        let has_cycle = (0..self.leads.len()).any(|node| self.leads[node][node]);
        let wires = self.wires.iter().map(|(_, wire)| *wire).collect();
        let runs = Runs::play(&self.drawing.nodes, wires, has_cycle, dice);
        for (index, node) in self.drawing.nodes.iter().enumerate() {
            for (place, step) in node.uses.iter().enumerate() {
                let pointer = format!("/nodes/{index}/config/output/{place}");
                let Some(step) = self.ids.get(step.as_str()).copied() else {
                    self.foretold.certain.push(("unknown_step", pointer));
                    continue;
                };
                // In a cycle nothing comes before anything.
                if has_cycle {
                    continue;
                }
                if !self.leads[step][index] {
                    self.foretold.certain.push(("step_not_before", pointer));
                } else if runs.lacks(index, step) {
                    self.foretold.certain.push(("step_not_sure", pointer));
                } else if !runs.are_all {
                    self.foretold.possible.push(("step_not_sure", pointer));
                }
            }
        }
    }
}
