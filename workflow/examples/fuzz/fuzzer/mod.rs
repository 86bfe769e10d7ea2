//! The fuzzer: a corpus, mutations, and the promises that every input has to keep.

mod clock;
mod corpus;
mod dice;
mod giants;
mod hostile;
mod mutate;
mod promises;

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;

use dice::Dice;

/// Inputs that are kept; a new one takes the place of another.
const KEPT: usize = 2_000;
/// Inputs larger than this are not kept: they would make all others slow.
const KEPT_BYTES: usize = 32 * 1024;

/// A workflow, sound or not.
#[derive(Clone, Debug)]
pub struct Input {
    pub nodes: Value,
    pub connections: Value,
}

/// What becomes of an input.
enum Kept {
    Not,
    /// It led to a new set of codes.
    New,
    /// It is valid, which most are not.
    Sound,
}

pub struct Fuzzer {
    dice: Dice,
    bound: Duration,
    sound: Vec<Input>,
    kept: Vec<Input>,
    known: HashSet<u64>,
    started: Instant,
    inputs: u64,
    valid: u64,
    slowest: (Duration, usize),
}

impl Fuzzer {
    /// `bound` is how long one input may take, all calls together.
    pub fn new(seed: u64, bound: Duration) -> Fuzzer {
        Fuzzer {
            dice: Dice::new(seed),
            bound,
            sound: corpus::sound(),
            kept: corpus::all(),
            known: HashSet::new(),
            started: Instant::now(),
            inputs: 0,
            valid: 0,
            slowest: (Duration::ZERO, 0),
        }
    }

    /// Everything that is known to be interesting, as it stands, and the largest workflows, or
    /// smaller ones of their kind.
    pub fn corpus(&mut self, size: fn(usize) -> usize) -> Result<(), String> {
        for input in self.kept.clone() {
            self.check(&input)?;
        }
        for (name, input) in giants::all(size) {
            self.check(&input).map_err(|failure| {
                let short: String = failure.chars().take(200).collect();
                format!("the giant `{name}`: {short}")
            })?;
        }
        Ok(())
    }

    /// One new input: every other is a sound workflow with one thing changed.
    pub fn step(&mut self) -> Result<(), String> {
        let (from, changes) = match self.dice.one_in(2) {
            true => (&self.sound, 1),
            false => (&self.kept, 1 + self.dice.below(6)),
        };
        let mut input = self.dice.pick(from).clone();
        let other = self.dice.pick(&self.kept);
        for _ in 0..changes {
            mutate::mutate(&mut input, other, &mut self.dice);
        }
        let kept = self.check(&input)?;
        if self.dice.one_in(16) {
            self.check_text(&input)?;
        }
        let list = match kept {
            Kept::Not => return Ok(()),
            Kept::Sound => &mut self.sound,
            Kept::New => &mut self.kept,
        };
        if input.bytes() <= KEPT_BYTES {
            if list.len() < KEPT {
                list.push(input);
            } else {
                let place = self.dice.below(list.len());
                list[place] = input;
            }
        }
        Ok(())
    }

    fn check(&mut self, input: &Input) -> Result<Kept, String> {
        self.inputs += 1;
        let started = clock::now();
        let codes = promises::check(input).map_err(|broken| format!("{broken}\n{input}"))?;
        self.took(started, input)?;
        let is_new = self.known.insert(codes);
        Ok(if codes & promises::VALID != 0 {
            self.valid += 1;
            Kept::Sound
        } else if is_new {
            Kept::New
        } else {
            Kept::Not
        })
    }

    fn check_text(&mut self, input: &Input) -> Result<(), String> {
        let mut text = [input.nodes.to_string(), input.connections.to_string()];
        let which = self.dice.below(2);
        mutate::mutate_text(&mut text[which], &mut self.dice);
        self.inputs += 1;
        let started = clock::now();
        let [nodes, connections] = &text;
        promises::check_text(nodes, connections)
            .map_err(|broken| format!("{broken}\nnodes: {nodes}\nconnections: {connections}"))?;
        self.took(started, input)
    }

    fn took(&mut self, started: Duration, input: &Input) -> Result<(), String> {
        let took = clock::now().saturating_sub(started);
        if took > self.slowest.0 {
            self.slowest = (took, input.bytes());
        }
        if took > self.bound {
            return Err(format!("took {took:?}\n{input}"));
        }
        Ok(())
    }
}

impl Input {
    pub fn bytes(&self) -> usize {
        self.nodes.to_string().len() + self.connections.to_string().len()
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nodes: {}\nconnections: {}",
            self.nodes, self.connections
        )
    }
}

impl fmt::Display for Fuzzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.started.elapsed().as_secs_f64();
        write!(
            f,
            "{} inputs in {seconds:.0} s ({:.0} a second), {} of them valid; {} sets of codes; \
             the slowest took {:.1} ms and has {} bytes",
            self.inputs,
            self.inputs as f64 / seconds,
            self.valid,
            self.known.len(),
            self.slowest.0.as_secs_f64() * 1e3,
            self.slowest.1,
        )
    }
}
