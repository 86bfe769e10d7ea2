//! How far an execution has come: which nodes may run now, which are skipped, which are done.
//!
//! A node becomes ready when all its incoming edges are decided and at least one is taken. When
//! all are decided and none is taken, it is skipped, and none of its own edges is taken.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::{Plan, PlanNode};

/// How a node ended. Skipping is derived and never passed in; a node that fails its execution
/// settles nothing, since the execution ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did its work. A condition takes the edges of `handle`, and an approval those and its
    /// edges without a handle; any other node takes all its edges but those of the handle `error`,
    /// and `handle` is ignored.
    Succeeded {
        /// The branch that a condition or an approval chose.
        handle: Option<String>,
    },
    /// Its last attempt failed, and `on_error` is `continue`: like success with the output null.
    /// A condition then counts as not fulfilled, `false` or `default`, and an approval as
    /// `rejected`.
    FailedContinue,
    /// Its last attempt failed, and `on_error` is `branch`: only edges of the handle `error`.
    FailedBranch,
}

/// What a settlement made possible. Both lists are in plan order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Nodes that may run now and could not before.
    pub ready: Vec<usize>,
    /// Nodes that will not run.
    pub skipped: Vec<usize>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Some incoming edge is not decided.
    Waiting,
    /// It may run, or is running.
    Ready,
    /// It ended.
    Settled,
    /// It will not run.
    Skipped,
}

/// A settlement that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// No such node.
    #[error("the plan has no node {0}")]
    UnknownNode(usize),
    /// It was settled before.
    #[error("node {0} has already settled")]
    AlreadySettled(usize),
    /// It is not its turn, or it is skipped.
    #[error("node {0} has settled although it could not have run")]
    NotReady(usize),
    /// A node with branches succeeded without choosing one.
    #[error("node {0} has settled without a handle")]
    MissingHandle(usize),
}

/// The state of one execution over its plan. The same outcomes lead to the same state in
/// whatever order they are settled.
#[derive(Debug, Clone)]
pub struct Progress {
    wiring: Arc<Wiring>,
    states: Vec<NodeState>,
    /// Incoming edges that are not decided yet.
    undecided: Vec<u32>,
    /// Whether an incoming edge is taken.
    taken: Vec<bool>,
    open: usize,
}

impl Progress {
    /// At the start: only the trigger is ready.
    pub fn new(plan: &Plan) -> Progress {
        let wiring = Arc::clone(plan.wiring());
        let count = wiring.nodes.len();
        let mut states = vec![NodeState::Waiting; count];
        if let Some(first) = states.first_mut() {
            *first = NodeState::Ready;
        }
        Progress {
            states,
            undecided: wiring.nodes.iter().map(|node| node.incoming).collect(),
            taken: vec![false; count],
            open: count,
            wiring,
        }
    }

    /// From recorded outcomes, in any order.
    ///
    /// # Errors
    /// As [`Progress::settle`], when the outcomes cannot all have happened.
    pub fn replay(
        plan: &Plan,
        outcomes: impl IntoIterator<Item = (usize, Outcome)>,
    ) -> Result<Progress, ProgressError> {
        let mut progress = Progress::new(plan);
        let mut outcomes: Vec<_> = outcomes.into_iter().collect();
        // Plan order is topological, so each node comes after all that it waited for.
        outcomes.sort_by_key(|(node, _)| *node);
        for (node, outcome) in outcomes {
            progress.settle(node, outcome)?;
        }
        Ok(progress)
    }

    /// The nodes that may run and have not settled, in plan order.
    pub fn ready(&self) -> Vec<usize> {
        self.states
            .iter()
            .enumerate()
            .filter(|(_, state)| **state == NodeState::Ready)
            .map(|(node, _)| node)
            .collect()
    }

    /// Where a node stands.
    pub fn state(&self, node: usize) -> Option<NodeState> {
        self.states.get(node).copied()
    }

    /// Whether every node has settled or is skipped.
    pub fn is_finished(&self) -> bool {
        self.open == 0
    }

    /// Records how a node ended and says what follows from it.
    ///
    /// # Errors
    /// When the node does not exist, is not ready, has settled before, or has branches and
    /// succeeded without a handle. Nothing changes then.
    pub fn settle(&mut self, node: usize, outcome: Outcome) -> Result<Settled, ProgressError> {
        match self.states.get(node) {
            None => return Err(ProgressError::UnknownNode(node)),
            Some(NodeState::Settled) => return Err(ProgressError::AlreadySettled(node)),
            Some(NodeState::Waiting | NodeState::Skipped) => {
                return Err(ProgressError::NotReady(node));
            }
            Some(NodeState::Ready) => {}
        }
        let wiring = Arc::clone(&self.wiring);
        let wired = &wiring.nodes[node];
        let taking = Taking::of(wired, &outcome).ok_or(ProgressError::MissingHandle(node))?;
        self.states[node] = NodeState::Settled;
        self.open -= 1;

        let mut settled = Settled::default();
        let mut skipped = Vec::new();
        for edge in &wired.edges {
            self.decide(edge.to, taking.takes(edge), &mut settled, &mut skipped);
        }
        while let Some(node) = skipped.pop() {
            for edge in &wiring.nodes[node].edges {
                self.decide(edge.to, false, &mut settled, &mut skipped);
            }
        }
        settled.ready.sort_unstable();
        settled.skipped.sort_unstable();
        Ok(settled)
    }

    fn decide(
        &mut self,
        node: usize,
        taken: bool,
        settled: &mut Settled,
        skipped: &mut Vec<usize>,
    ) {
        self.undecided[node] -= 1;
        self.taken[node] |= taken;
        if self.undecided[node] > 0 {
            return;
        }
        if self.taken[node] {
            self.states[node] = NodeState::Ready;
            settled.ready.push(node);
        } else {
            self.states[node] = NodeState::Skipped;
            self.open -= 1;
            settled.skipped.push(node);
            skipped.push(node);
        }
    }
}

/// The handle of the edges that a failed node with `on_error: branch` takes.
pub(crate) const ERROR_HANDLE: &str = "error";

/// The part of a plan that progress depends on, shared by all executions of it.
#[derive(Debug)]
pub(crate) struct Wiring {
    nodes: Vec<WiredNode>,
}

#[derive(Debug)]
struct WiredNode {
    incoming: u32,
    /// Where it has branches: the one that stands for "not fulfilled".
    otherwise: Option<&'static str>,
    /// Whether its edges without a handle are taken with each of its branches.
    has_plain_edges: bool,
    edges: Vec<WiredEdge>,
}

#[derive(Debug)]
struct WiredEdge {
    to: usize,
    handle: Option<Box<str>>,
}

impl Wiring {
    pub(crate) fn new(nodes: &[PlanNode]) -> Wiring {
        // A plan can only be built or read with edges that lead forward; its fields are public,
        // so what was changed since is dropped here instead of failing later.
        let mut incoming = vec![0; nodes.len()];
        let mut wired: Vec<WiredNode> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let mut edges = Vec::with_capacity(node.outgoing.len());
            for edge in &node.outgoing {
                if edge.to > index && edge.to < nodes.len() {
                    incoming[edge.to] += 1;
                    edges.push(WiredEdge {
                        to: edge.to,
                        handle: edge.handle.as_deref().map(Box::from),
                    });
                }
            }
            wired.push(WiredNode {
                incoming: 0,
                otherwise: node.kind.otherwise(),
                has_plain_edges: !node.kind.is_condition(),
                edges,
            });
        }
        for (node, incoming) in wired.iter_mut().zip(incoming) {
            node.incoming = incoming;
        }
        Wiring { nodes: wired }
    }
}

/// Which edges an outcome takes.
enum Taking<'a> {
    AllButError,
    Only(&'a str),
    /// These, and those without a handle.
    With(&'a str),
}

impl<'a> Taking<'a> {
    fn of(node: &WiredNode, outcome: &'a Outcome) -> Option<Taking<'a>> {
        let branch = match (outcome, node.otherwise) {
            (Outcome::FailedBranch, _) => return Some(Taking::Only(ERROR_HANDLE)),
            (Outcome::Succeeded { .. } | Outcome::FailedContinue, None) => {
                return Some(Taking::AllButError);
            }
            (Outcome::FailedContinue, Some(otherwise)) => otherwise,
            (Outcome::Succeeded { handle }, Some(_)) => handle.as_deref()?,
        };
        Some(match node.has_plain_edges {
            true => Taking::With(branch),
            false => Taking::Only(branch),
        })
    }

    fn takes(&self, edge: &WiredEdge) -> bool {
        let handle = edge.handle.as_deref();
        match self {
            Taking::AllButError => handle != Some(ERROR_HANDLE),
            Taking::Only(branch) => handle == Some(branch),
            Taking::With(branch) => handle.is_none() || handle == Some(branch),
        }
    }
}
