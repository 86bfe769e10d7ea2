//! What was asked and how it was answered.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::door::Answer;
use crate::judge::faults::Faults;
use crate::request::{Kind, Request};

/// Columns of the table: how answers are sorted by their status.
pub const CLASSES: [&str; 6] = ["2xx", "401, 403", "404", "other 4xx", "5xx", "none"];

#[derive(Default)]
pub struct Tally {
    pub by_kind: BTreeMap<Kind, [usize; CLASSES.len()]>,
    /// How often each kind was refused with which status and code.
    pub refusals: BTreeMap<(Kind, String), usize>,
    /// Requests that were sent, in whatever run.
    pub sent: usize,
    /// Pairs of answers.
    pub compared: usize,
    /// Pairs of which one was refused with 429.
    pub over_a_limit: usize,
    /// Pairs that differed once and not again, and how.
    pub unsteady: Vec<String>,
    /// Pairs in which the planner's guess differed: see tests/README.md.
    pub estimates_differ: usize,
    pub faults: Faults,
}

impl Tally {
    pub fn note(&mut self, request: &Request, answer: &Answer, curl: impl FnOnce() -> String) {
        let class = match answer.status {
            0 => 5,
            100..400 => 0,
            401 | 403 => 1,
            404 => 2,
            400..500 => 3,
            _ => 4,
        };
        self.by_kind.entry(request.kind).or_default()[class] += 1;
        if answer.status >= 400 {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let code = body["code"].as_str().unwrap_or_default();
            let refusal = format!("{} {code}", answer.status);
            *self.refusals.entry((request.kind, refusal)).or_default() += 1;
        }
        self.faults.note(request, answer, curl);
    }

    pub fn count_sent(&mut self, runs: [&Vec<Option<Answer>>; 3]) {
        self.sent += runs
            .iter()
            .map(|run| run.iter().flatten().count())
            .sum::<usize>();
    }

    pub fn requests(&self) -> usize {
        self.by_kind.values().flatten().sum()
    }

    /// Of all requests, the share that was answered with what was asked for.
    pub fn share_answered(&self) -> f64 {
        let answered: usize = self.by_kind.values().map(|classes| classes[0]).sum();
        answered as f64 / self.requests().max(1) as f64
    }
}
