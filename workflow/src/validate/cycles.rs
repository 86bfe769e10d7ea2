//! Names the cycles of a graph that has some: one problem for each group of nodes that can all
//! reach each other, with a shortest cycle through the first of them.

use super::graph::Graph;
use super::node::Node;
use super::report::Report;
use crate::Code;
use crate::path::Path;

/// Nodes that a message names before it goes on with dots.
const SHOWN: usize = 12;

pub(crate) fn check(nodes: &[Node<'_>], graph: &Graph<'_>, report: &mut Report) {
    let component = components(graph);
    let mut is_reported = vec![false; graph.len()];
    for start in 0..graph.len() {
        let group = component[start];
        if is_reported[group] {
            continue;
        }
        let Some(cycle) = shortest_cycle(graph, start, &component) else {
            continue;
        };
        is_reported[group] = true;
        let mut names: Vec<&str> = cycle
            .iter()
            .take(SHOWN)
            .map(|node| nodes[*node].id.unwrap_or("?"))
            .collect();
        if cycle.len() > SHOWN {
            names.push("...");
        }
        names.push(nodes[start].id.unwrap_or("?"));
        let message = format!(
            "these nodes wait for each other: {}; remove one of the edges",
            names.join(" -> ")
        );
        report.add(
            Code::Cycle,
            nodes[start].id,
            &Path::NODES.index(start),
            message,
        );
    }
}

/// Breadth first from `start` within its component, until an edge leads back.
fn shortest_cycle(graph: &Graph<'_>, start: usize, component: &[usize]) -> Option<Vec<usize>> {
    let mut before = vec![usize::MAX; graph.len()];
    let mut queue = vec![start];
    let mut next = 0;
    while let Some(node) = queue.get(next).copied() {
        next += 1;
        for edge in graph.outgoing(node) {
            let target = edge.target as usize;
            if target == start {
                let mut cycle = vec![node];
                let mut at = node;
                while at != start {
                    at = before[at];
                    cycle.push(at);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if component[target] == component[start] && before[target] == usize::MAX {
                before[target] = node;
                queue.push(target);
            }
        }
    }
    None
}

/// Tarjan's strongly connected components, with a stack of its own instead of recursion.
fn components(graph: &Graph<'_>) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let count = graph.len();
    let (mut number, mut low) = (vec![NONE; count], vec![0; count]);
    let mut component = vec![NONE; count];
    let (mut stack, mut path) = (Vec::new(), Vec::new());
    let (mut numbers, mut components) = (0, 0);
    for root in 0..count {
        if number[root] != NONE {
            continue;
        }
        path.push((root, 0));
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                number[node] = numbers;
                low[node] = numbers;
                numbers += 1;
                stack.push(node);
            }
            if let Some(edge_to) = graph.outgoing(node).get(edge) {
                let target = edge_to.target as usize;
                path.push((node, edge + 1));
                if number[target] == NONE {
                    path.push((target, 0));
                } else if component[target] == NONE {
                    low[node] = low[node].min(number[target]);
                }
                continue;
            }
            if low[node] == number[node] {
                while let Some(member) = stack.pop() {
                    component[member] = components;
                    if member == node {
                        break;
                    }
                }
                components += 1;
            }
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
        }
    }
    component
}
