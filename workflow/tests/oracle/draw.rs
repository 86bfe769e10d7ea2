//! Random graphs of a few nodes, sound or not.

use serde_json::{Value, json};

use crate::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Trigger,
    Step,
    If,
    /// With so many cases, `c0` and on.
    Switch(usize),
    Approval,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    Fail,
    Continue,
    Branch,
}

#[derive(Debug, Clone)]
pub struct Node {
    /// Perhaps one that an earlier node has.
    pub id: String,
    pub kind: Kind,
    pub on_error: OnError,
    /// Steps whose output it uses, each in a field of its own.
    pub uses: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Edge {
    /// Perhaps of no node.
    pub source: String,
    pub target: String,
    pub handle: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Drawing {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

const CASES: [&str; 3] = ["c0", "c1", "c2"];

impl Kind {
    /// Its handles, `error` aside.
    pub fn handles(self) -> Vec<&'static str> {
        match self {
            Kind::If => vec!["true", "false"],
            Kind::Switch(cases) => CASES[..cases].iter().copied().chain(["default"]).collect(),
            Kind::Approval => vec!["approved", "rejected"],
            Kind::Trigger | Kind::Step => Vec::new(),
        }
    }

    pub fn is_condition(self) -> bool {
        matches!(self, Kind::If | Kind::Switch(_))
    }
}

impl Drawing {
    pub fn random(dice: &mut Dice) -> Drawing {
        let is_large = dice.one_in(24);
        let count = if is_large {
            14 + dice.below(20)
        } else {
            1 + dice.below(7)
        };
        let mut drawing = Drawing {
            nodes: (0..count).map(|index| node(index, dice)).collect(),
            edges: Vec::new(),
        };
        // Half of them lead only forwards and are otherwise careful, so that many are sound.
        let is_careful = dice.one_in(2);
        if is_careful {
            drawing.carefully(dice);
        } else {
            drawing.carelessly(dice);
        }
        drawing.refer(dice);
        drawing
    }

    /// Every branch leads forwards, and every node is led to.
    fn carefully(&mut self, dice: &mut Dice) {
        let count = self.nodes.len();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            node.id = format!("n{index}");
            node.kind = match (index, node.kind) {
                (0, _) => Kind::Trigger,
                (_, Kind::Trigger) => Kind::Step,
                // What comes last has nothing to branch to.
                (_, _) if index + 1 == count => Kind::Step,
                (_, kind) => kind,
            };
            if index + 1 == count || node.kind == Kind::Trigger {
                node.on_error = OnError::Fail;
            }
        }
        for target in 1..count {
            let source = dice.below(target);
            self.connect(source, target, dice);
        }
        for _ in 0..dice.below(count + 1) {
            let target = dice.below(count);
            if target > 0 {
                let source = dice.below(target);
                self.connect(source, target, dice);
            }
        }
        for source in 0..count.saturating_sub(1) {
            let node = &self.nodes[source];
            let mut handles = node.kind.handles();
            if node.on_error == OnError::Branch {
                handles.push("error");
            }
            for handle in handles {
                if !dice.one_in(6) {
                    let target = source + 1 + dice.below(count - source - 1);
                    self.add(source, target, Some(handle));
                }
            }
        }
    }

    /// An edge by a handle that the source has.
    fn connect(&mut self, source: usize, target: usize, dice: &mut Dice) {
        let node = &self.nodes[source];
        let mut handles: Vec<Option<&'static str>> =
            node.kind.handles().into_iter().map(Some).collect();
        if !node.kind.is_condition() {
            handles.push(None);
        }
        if node.on_error == OnError::Branch {
            handles.push(Some("error"));
        }
        let handle = *dice.pick(&handles);
        self.add(source, target, handle);
    }

    fn add(&mut self, source: usize, target: usize, handle: Option<&'static str>) {
        let (source, target) = (&self.nodes[source].id, &self.nodes[target].id);
        let is_there = self
            .edges
            .iter()
            .any(|edge| (&edge.source, &edge.target, edge.handle) == (source, target, handle));
        if !is_there {
            let (source, target) = (source.clone(), target.clone());
            self.edges.push(Edge {
                source,
                target,
                handle,
            });
        }
    }

    /// Anything to anything.
    fn carelessly(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(2 * self.nodes.len() + 2) {
            let mut end = || match dice.one_in(20) {
                true => "stranger".to_owned(),
                false => dice.pick(&self.nodes).id.clone(),
            };
            let (source, target) = (end(), end());
            let handle = match dice.below(4) {
                0 => Some(*dice.pick(&[
                    "true", "false", "default", "error", "approved", "c0", "c1", "other",
                ])),
                1 => self
                    .nodes
                    .iter()
                    .find(|node| node.id == source)
                    .and_then(|node| Some(*dice.pick(&some(node.kind.handles())?))),
                _ => None,
            };
            self.edges.push(Edge {
                source,
                target,
                handle,
            });
        }
    }

    fn refer(&mut self, dice: &mut Dice) {
        let ids: Vec<String> = self.nodes.iter().map(|node| node.id.clone()).collect();
        // A list of problems ends at 500.
        let often = if ids.len() > 8 { 8 } else { 1 + dice.below(6) };
        for node in &mut self.nodes {
            if node.kind == Kind::Step {
                node.uses = ids.iter().filter(|_| dice.one_in(often)).cloned().collect();
                node.uses.dedup();
                if dice.one_in(40) {
                    node.uses.push("nobody".to_owned());
                }
            }
        }
    }

    pub fn as_json(&self) -> (Value, Value) {
        let nodes = self.nodes.iter().map(Node::as_json).collect();
        let edges = self.edges.iter().map(|edge| {
            json!({"source": edge.source, "target": edge.target, "sourceHandle": edge.handle})
        });
        (nodes, edges.collect())
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn node(index: usize, dice: &mut Dice) -> Node {
    // The first is mostly the trigger; sometimes there is none, or another one.
    let is_trigger = if index == 0 {
        !dice.one_in(12)
    } else {
        dice.one_in(30)
    };
    let id = match index > 0 && dice.one_in(40) {
        true => format!("n{}", dice.below(index)),
        false => format!("n{index}"),
    };
    Node {
        id,
        kind: match dice.below(6) {
            _ if is_trigger => Kind::Trigger,
            0 => Kind::If,
            1 => Kind::Switch(1 + dice.below(2)),
            2 if dice.one_in(2) => Kind::Approval,
            _ => Kind::Step,
        },
        on_error: match dice.below(8) {
            _ if is_trigger => OnError::Fail,
            0 | 1 => OnError::Branch,
            2 => OnError::Continue,
            _ => OnError::Fail,
        },
        uses: Vec::new(),
    }
}

impl Node {
    fn as_json(&self) -> Value {
        let (node_type, config) = match self.kind {
            Kind::Trigger => ("trigger", json!({"kind": "manual"})),
            Kind::Step => {
                let output: Value = self
                    .uses
                    .iter()
                    .map(|step| json!(format!("{{{{ steps.{step}.output }}}}")))
                    .collect();
                ("action", json!({"kind": "transform", "output": output}))
            }
            Kind::Approval => ("action", json!({"kind": "approval"})),
            Kind::If => ("condition", json!({"kind": "if", "condition": "input.ok"})),
            Kind::Switch(cases) => {
                let cases: Value = CASES[..cases]
                    .iter()
                    .map(|handle| json!({"handle": handle, "when": "input.ok"}))
                    .collect();
                ("condition", json!({"kind": "switch", "cases": cases}))
            }
        };
        let on_error = match self.on_error {
            OnError::Fail => Value::Null,
            OnError::Continue => json!("continue"),
            OnError::Branch => json!("branch"),
        };
        json!({"id": self.id, "type": node_type, "config": config, "on_error": on_error})
    }
}
