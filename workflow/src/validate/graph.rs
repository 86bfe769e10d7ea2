//! The graph: its order, its cycles, and what the trigger reaches.

use super::edges::{Edge, Edges};
use super::node::Node;
use super::report::Report;
use super::{branches, cycles};
use crate::Code;
use crate::path::Path;

/// The nodes by index and the edges that make sense, sorted by source.
#[derive(Default)]
pub(crate) struct Graph<'a> {
    edges: Vec<Edge<'a>>,
    /// Where the edges of a node begin; one longer than the nodes.
    starts: Vec<u32>,
    incoming: Vec<u32>,
    /// Every node after all that lead to it; shorter than the nodes when there is a cycle.
    pub(crate) order: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// Builds the graph and reports what is wrong with it.
    pub(crate) fn new(nodes: &[Node<'a>], edges: Edges<'a>, report: &mut Report) -> Graph<'a> {
        let mut graph = Graph::build(nodes.len(), edges);
        triggers(nodes, report);
        branches::check(nodes, &graph, report);
        graph.order = graph.sorted();
        if graph.is_cyclic() {
            cycles::check(nodes, &graph, report);
        }
        graph.unreachable(nodes, report);
        graph
    }

    fn build(count: usize, Edges(mut edges): Edges<'a>) -> Graph<'a> {
        // A stable sort keeps the edges of a node in document order.
        edges.sort_by_key(|edge| edge.source);
        let mut starts = vec![0; count + 1];
        let mut incoming = vec![0; count];
        for edge in &edges {
            starts[edge.source as usize + 1] += 1;
            incoming[edge.target as usize] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        Graph {
            edges,
            starts,
            incoming,
            order: Vec::new(),
        }
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.incoming.len()
    }

    /// The edges that leave a node, in document order.
    pub(crate) fn outgoing(&self, node: usize) -> &[Edge<'a>] {
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// How many edges enter a node.
    pub(crate) fn incoming(&self, node: usize) -> usize {
        self.incoming[node] as usize
    }

    /// Whether some node can reach itself.
    pub(crate) fn is_cyclic(&self) -> bool {
        self.order.len() < self.len()
    }

    /// Kahn's algorithm; a node comes as soon as it can, in document order among equals.
    fn sorted(&self) -> Vec<u32> {
        let mut waiting = self.incoming.clone();
        let mut order: Vec<u32> = Vec::with_capacity(self.len());
        for (node, count) in (0_u32..).zip(&waiting) {
            if *count == 0 {
                order.push(node);
            }
        }
        let mut next = 0;
        while let Some(node) = order.get(next).copied() {
            next += 1;
            for edge in self.outgoing(node as usize) {
                let count = &mut waiting[edge.target as usize];
                *count -= 1;
                if *count == 0 {
                    order.push(edge.target);
                }
            }
        }
        order
    }

    fn unreachable(&self, nodes: &[Node<'_>], report: &mut Report) {
        let mut reached = vec![false; self.len()];
        let mut stack = Vec::with_capacity(self.len());
        for (node, reached) in reached.iter_mut().enumerate() {
            if nodes[node].is_trigger() {
                *reached = true;
                stack.push(node);
            }
        }
        if stack.is_empty() {
            // Without a trigger nothing is reachable, and saying so for each node helps nobody.
            return;
        }
        while let Some(node) = stack.pop() {
            for edge in self.outgoing(node) {
                let target = edge.target as usize;
                if !reached[target] {
                    reached[target] = true;
                    stack.push(target);
                }
            }
        }
        for (index, node) in nodes.iter().enumerate() {
            // What has no usable id cannot be connected; that is said already.
            if !reached[index] && node.id.is_some() {
                let message = "no path leads here from the trigger; connect the node or remove it";
                let path = Path::NODES.index(index);
                report.add(Code::UnreachableNode, node.id, &path, message);
            }
        }
    }
}

fn triggers(nodes: &[Node<'_>], report: &mut Report) {
    let mut first = None;
    for (index, node) in nodes.iter().enumerate() {
        if !node.is_trigger() {
            continue;
        }
        match first {
            None => first = Some(index),
            Some(first) => {
                let message = format!("node {first} is the trigger already; a workflow has one");
                report.add(
                    Code::SecondTrigger,
                    node.id,
                    &Path::NODES.index(index),
                    message,
                );
            }
        }
    }
    if first.is_none() {
        let message = "a workflow needs a node of type trigger";
        report.add(Code::MissingTrigger, None, &Path::NODES, message);
    }
}
