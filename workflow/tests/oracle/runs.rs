//! Plays the runs of a graph: each node that runs chooses one of its branches.

use crate::dice::Dice;
use crate::draw::{Kind, Node, OnError};

/// Graphs with more runs than this are sampled.
const ALL: usize = 4_000;
const SAMPLES: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    pub source: usize,
    pub target: usize,
    pub handle: Option<&'static str>,
}

/// What was seen in the runs.
pub struct Runs {
    /// Whether a run came to the first node without the second having run and succeeded.
    lacks: Vec<Vec<bool>>,
    /// Whether every run was played.
    pub are_all: bool,
}

impl Runs {
    pub fn play(nodes: &[Node], wires: Vec<Wire>, has_cycle: bool, dice: &mut Dice) -> Runs {
        let count = nodes.len();
        let choices: Vec<usize> = nodes.iter().map(choices).collect();
        let all = choices.iter().try_fold(1_usize, |all, n| {
            all.checked_mul(*n).filter(|all| *all <= ALL)
        });
        let mut runs = Runs {
            lacks: vec![vec![false; count]; count],
            are_all: all.is_some(),
        };
        if has_cycle {
            return runs;
        }
        for start in (0..count).filter(|node| nodes[*node].kind == Kind::Trigger) {
            for number in 0..all.unwrap_or(SAMPLES) {
                let mut rest = number;
                let chosen: Vec<usize> = choices
                    .iter()
                    .map(|count| match all {
                        // The digits of the number, each in the base of its node.
                        Some(_) => {
                            let digit = rest % count;
                            rest /= count;
                            digit
                        }
                        None => dice.below(*count),
                    })
                    .collect();
                runs.see(nodes, &wires, start, &chosen);
            }
        }
        runs
    }

    pub fn lacks(&self, node: usize, step: usize) -> bool {
        self.lacks[node][step]
    }

    /// One run: edges are taken until none is left to take.
    fn see(&mut self, nodes: &[Node], wires: &[Wire], start: usize, chosen: &[usize]) {
        let mut ran = vec![false; nodes.len()];
        ran[start] = true;
        loop {
            let mut is_done = true;
            for wire in wires {
                let takes = takes(&nodes[wire.source], chosen[wire.source], wire.handle);
                if ran[wire.source] && takes && !ran[wire.target] {
                    ran[wire.target] = true;
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }
        for node in (0..nodes.len()).filter(|node| ran[*node]) {
            for step in 0..nodes.len() {
                let has_output = ran[step] && !fails(&nodes[step], chosen[step]);
                self.lacks[node][step] |= !has_output;
            }
        }
    }
}

/// One for each handle, or a single one; and one more for the error branch.
fn choices(node: &Node) -> usize {
    node.kind.handles().len().max(1) + usize::from(node.on_error == OnError::Branch)
}

fn fails(node: &Node, choice: usize) -> bool {
    choice >= node.kind.handles().len().max(1)
}

fn takes(node: &Node, choice: usize, handle: Option<&str>) -> bool {
    if fails(node, choice) {
        return handle == Some("error");
    }
    match node.kind.handles().get(choice) {
        Some(_) if handle.is_none() => node.kind == Kind::Approval,
        Some(chosen) => handle == Some(chosen),
        None => handle != Some("error"),
    }
}
