//! Which steps have surely run before a node runs.
//!
//! A node runs when all its incoming edges are decided and one of them is taken, so whatever can
//! reach it has run or is skipped by then. What reaches it has *surely* run when no run skips it
//! and comes here all the same. Dominators have, but so have all branches of a parallel fork that
//! meet in a join: the fork takes every edge.
//!
//! A run is a choice at every node that branches. Steps that a node *forces* run whenever the node
//! does, whatever is chosen after it: itself, and what every one of its choices forces. A step can
//! be avoided on the way to a node exactly when a path leads there on which no choice forces the
//! step: then let the nodes on the path choose the path, and all others a choice that does not
//! force it either. Both sets are computed for all steps at once, as rows of bits, in two passes
//! over the edges.

use super::branches::switch_handles;
use super::edges::Edge;
use super::graph::Graph;
use super::node::Node;
use crate::Kind;
use crate::plan::OnError;
use crate::progress::ERROR_HANDLE;

/// What is known about a step at the moment a node starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It has run, and succeeded or failed with `on_error: continue`.
    Surely,
    /// It has run, but may have failed and taken its error branch.
    PerhapsFailed,
    /// It has run or is skipped.
    Perhaps,
    /// It comes later.
    Later,
    /// Neither waits for the other.
    Unordered,
}

/// For every node, the steps before it.
pub(crate) struct Sure {
    /// Steps that can reach the node.
    ancestors: Bits,
    /// Steps that a run to the node can avoid. Twice as wide as there are nodes: the second half
    /// is about the step's success, which a step with `on_error: branch` can avoid by failing.
    avoidable: Bits,
}

impl Sure {
    /// The graph must not be cyclic.
    pub(crate) fn new(nodes: &[Node<'_>], graph: &Graph<'_>) -> Sure {
        let count = graph.len();
        let choices: Vec<Choices<'_>> = nodes.iter().map(Choices::of).collect();
        let forced = forced(graph, &choices);

        let mut ancestors = Bits::new(count, count);
        let mut avoidable = Bits::new(count, 2 * count);
        let mut flow = avoidable.row();
        let mut group = avoidable.row();
        for node in graph.order.iter().map(|node| *node as usize) {
            for edge in graph.outgoing(node) {
                ancestors.merge(edge.target as usize, node);
                ancestors.set(edge.target as usize, node);
            }
            if nodes[node].is_trigger() {
                let row = avoidable.of_mut(node);
                row.fill(u64::MAX);
                without(row, forced.of(node));
            }
            for choice in 0..choices[node].count() {
                // A choice is safe for the steps that it does not force.
                group.fill(0);
                forces(
                    &mut group,
                    node,
                    choice,
                    graph,
                    &choices[node],
                    &forced,
                    count,
                );
                flow.copy_from_slice(avoidable.of(node));
                without(&mut flow, &group);
                for edge in graph.outgoing(node) {
                    if choices[node].takes(choice, edge) {
                        unite(avoidable.of_mut(edge.target as usize), &flow);
                    }
                }
            }
        }
        Sure {
            ancestors,
            avoidable,
        }
    }

    /// What is known about `step` when `node` starts.
    pub(crate) fn before(&self, node: usize, step: usize) -> Before {
        let count = self.ancestors.rows;
        if !self.ancestors.get(node, step) {
            return if node == step || self.ancestors.get(step, node) {
                Before::Later
            } else {
                Before::Unordered
            };
        }
        if self.avoidable.get(node, step) {
            Before::Perhaps
        } else if self.avoidable.get(node, count + step) {
            Before::PerhapsFailed
        } else {
            Before::Surely
        }
    }
}

/// For every node, the steps (and their successes) that run whenever it does.
fn forced(graph: &Graph<'_>, choices: &[Choices<'_>]) -> Bits {
    let count = graph.len();
    let mut forced = Bits::new(count, 2 * count);
    let mut every = forced.row();
    let mut group = forced.row();
    for node in graph.order.iter().rev().map(|node| *node as usize) {
        every.fill(u64::MAX);
        for choice in 0..choices[node].count() {
            group.fill(0);
            forces(
                &mut group,
                node,
                choice,
                graph,
                &choices[node],
                &forced,
                count,
            );
            for (every, group) in every.iter_mut().zip(&group) {
                *every &= group;
            }
        }
        forced.of_mut(node).copy_from_slice(&every);
        forced.set(node, node);
    }
    forced
}

/// The steps that one choice of a node forces, besides the node itself.
fn forces(
    group: &mut [u64],
    node: usize,
    choice: usize,
    graph: &Graph<'_>,
    choices: &Choices<'_>,
    forced: &Bits,
    count: usize,
) {
    for edge in graph.outgoing(node) {
        if choices.takes(choice, edge) {
            unite(group, forced.of(edge.target as usize));
        }
    }
    if choices.succeeds(choice) {
        let bit = count + node;
        group[bit / 64] |= 1 << (bit % 64);
    }
}

/// What a node can choose from, each choice with the edges it takes.
enum Choices<'a> {
    /// All edges but those of the handle `error`; with a second choice, those alone.
    Plain { can_branch: bool },
    /// One of these handles, perhaps with the edges without one; with one more choice, `error`.
    Handles {
        handles: Vec<&'a str>,
        has_plain_edges: bool,
        can_branch: bool,
    },
}

impl<'a> Choices<'a> {
    fn of(node: &Node<'a>) -> Choices<'a> {
        let can_branch = node.on_error == OnError::Branch;
        let handles = match node.kind {
            Some(kind @ (Kind::If | Kind::Approval)) => kind.handles().to_vec(),
            Some(Kind::Switch) => switch_handles(node).chain(["default"]).take(64).collect(),
            _ => return Choices::Plain { can_branch },
        };
        Choices::Handles {
            handles,
            has_plain_edges: node.kind == Some(Kind::Approval),
            can_branch,
        }
    }

    fn count(&self) -> usize {
        match self {
            Choices::Plain { can_branch } => 1 + usize::from(*can_branch),
            Choices::Handles {
                handles,
                can_branch,
                ..
            } => handles.len() + usize::from(*can_branch),
        }
    }

    fn takes(&self, choice: usize, edge: &Edge<'_>) -> bool {
        match self {
            Choices::Plain { .. } => (choice == 1) == (edge.handle == Some(ERROR_HANDLE)),
            Choices::Handles {
                handles,
                has_plain_edges,
                ..
            } => match (handles.get(choice), edge.handle) {
                (Some(_), None) => *has_plain_edges,
                (Some(chosen), Some(handle)) => handle == *chosen,
                (None, handle) => handle == Some(ERROR_HANDLE),
            },
        }
    }

    fn succeeds(&self, choice: usize) -> bool {
        match self {
            Choices::Plain { .. } => choice == 0,
            Choices::Handles { handles, .. } => choice < handles.len(),
        }
    }
}

/// A matrix of bits.
struct Bits {
    rows: usize,
    words: usize,
    bits: Vec<u64>,
}

impl Bits {
    fn new(rows: usize, columns: usize) -> Bits {
        let words = columns.div_ceil(64);
        Bits {
            rows,
            words,
            bits: vec![0; rows * words],
        }
    }

    fn row(&self) -> Vec<u64> {
        vec![0; self.words]
    }

    fn of(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    fn of_mut(&mut self, row: usize) -> &mut [u64] {
        &mut self.bits[row * self.words..(row + 1) * self.words]
    }

    fn get(&self, row: usize, column: usize) -> bool {
        self.bits[row * self.words + column / 64] & (1 << (column % 64)) != 0
    }

    fn set(&mut self, row: usize, column: usize) {
        self.bits[row * self.words + column / 64] |= 1 << (column % 64);
    }

    /// Adds another row to a row.
    fn merge(&mut self, into: usize, from: usize) {
        for word in 0..self.words {
            self.bits[into * self.words + word] |= self.bits[from * self.words + word];
        }
    }
}

fn unite(row: &mut [u64], other: &[u64]) {
    for (word, other) in row.iter_mut().zip(other) {
        *word |= other;
    }
}

fn without(row: &mut [u64], other: &[u64]) {
    for (word, other) in row.iter_mut().zip(other) {
        *word &= !other;
    }
}
