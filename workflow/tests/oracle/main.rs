//! Random graphs, whose problems are foretold in another way than validation finds them.
//!
//! Validation sorts the graph, walks it, and computes sets of bits along its edges. The oracle
//! closes the relation of edges by force, and plays every run that the branches allow. The two
//! lists of problems must be the same, place by place.

#[path = "../../examples/fuzz/fuzzer/dice.rs"]
mod dice;
mod draw;
mod foretell;
mod runs;

use std::collections::BTreeMap;

use dice::Dice;
use draw::Drawing;

/// Compares so many graphs, and says how often each code was foretold.
fn sweep(seed: u64, graphs: usize) -> BTreeMap<&'static str, usize> {
    let mut dice = Dice::new(seed);
    let mut seen = BTreeMap::new();
    for number in 0..graphs {
        let drawing = Drawing::random(&mut dice);
        let (nodes, connections) = drawing.as_json();
        let mut found: Vec<String> = workflow::problems(&nodes, &connections)
            .iter()
            .map(|problem| format!("{} {}", problem.code, problem.pointer))
            .collect();
        let mut foretold = foretell::problems(&drawing, &mut dice);
        for (code, _) in &foretold.certain {
            *seen.entry(*code).or_default() += 1;
        }
        let written = |list: &[(&str, String)]| -> Vec<String> {
            list.iter()
                .map(|(code, pointer)| format!("{code} {pointer}"))
                .collect()
        };
        // What was only looked for in some of the runs may be found without being foretold.
        let possible = written(&std::mem::take(&mut foretold.possible));
        let mut expected = written(&foretold.certain);
        found.retain(|problem| expected.contains(problem) || !possible.contains(problem));
        found.sort();
        expected.sort();
        let unlike = |one: &[String], other: &[String]| -> Vec<String> {
            let only = one.iter().filter(|problem| !other.contains(problem));
            only.cloned().collect()
        };
        assert!(
            found == expected,
            "graph {number} of seed {seed}: nodes {nodes}, connections {connections}\n\
             found but not foretold: {:?}\nforetold but not found: {:?}",
            unlike(&found, &expected),
            unlike(&expected, &found),
        );
        *seen.entry("sound").or_default() += usize::from(expected.is_empty());
    }
    seen
}

/// Every code that the oracle knows must have come up often, or the graphs are too tame.
fn came_up(seen: &BTreeMap<&'static str, usize>, least: usize) {
    for code in foretell::CODES.iter().chain(&["sound"]) {
        let count = seen.get(code).copied().unwrap_or_default();
        assert!(
            count >= least,
            "{code} came up only {count} times: {seen:?}"
        );
    }
}

#[test]
fn a_few_thousand_graphs() {
    came_up(&sweep(1, 3_000), 20);
}

#[test]
#[ignore = "takes minutes; see the README"]
#[expect(
    clippy::print_stdout,
    reason = "the counts are what the sweep is run for"
)]
fn a_hundred_thousand_graphs() {
    let seen = sweep(2, 100_000);
    println!("{seen:#?}");
    came_up(&seen, 1_000);
}
