//! Looking through the answers of a lane's runs.

use std::collections::HashSet;

use super::{Answers, Detector, Difference, Finding, Notes, Round, Run};
use crate::door::Answer;
use crate::judge::{self, Settler};
use crate::tally::Tally;

impl Round<'_> {
    pub(super) fn note(&self, lane: usize, answers: &Answers, notes: &mut Notes) {
        for (request, answer) in self.sequences[lane].iter().zip(answers) {
            if let Some(answer) = answer {
                notes
                    .tally
                    .note(request, answer, || self.commands(lane, request));
                notes.questions.consider(self.world, lane, request, answer);
            }
        }
    }

    pub(super) fn leaks(&self, lane: usize, run: Run, answers: &Answers) -> Vec<Finding> {
        let secrets = &self.world.secrets;
        let mut written = HashSet::new();
        let mut findings = Vec::new();
        for (index, (request, answer)) in self.sequences[lane].iter().zip(answers).enumerate() {
            let Some(answer) = answer else { continue };
            // As it was asked: whoever asks about a ghost has not said the foreign value.
            let ghost;
            let asked = match run {
                Run::Ghost => {
                    ghost = request.ghost(secrets);
                    &ghost
                }
                _ => request,
            };
            let leaked = judge::leaked(secrets, asked, &written, answer);
            if !leaked.is_empty() {
                let body: String = answer.body.chars().take(400).collect();
                let what = format!("{} in: {} {body}", leaked.join(", "), answer.status);
                findings.push(self.finding(Detector::Leak, lane, index, what));
            }
            if let Some(body) = asked.body.as_ref().filter(|_| !asked.is_read()) {
                written.extend(secrets.said_in(body));
            }
        }
        findings
    }

    pub(super) fn compare(
        &self,
        lane: usize,
        detector: Detector,
        one: &Answers,
        other: &Answers,
        tally: &mut Tally,
    ) -> Vec<Difference> {
        let settler = Settler {
            secrets: &self.world.secrets,
            made_at: &self.world.made_at,
        };
        let pairs = one.iter().zip(other);
        let mut differences = Vec::new();
        for (index, (request, pair)) in self.sequences[lane].iter().zip(pairs).enumerate() {
            let (Some(one), Some(other)) = pair else {
                continue;
            };
            // A limit in time is shared by all runs, so the last request that it allows comes at another place in each.
            if one.status == 429 || other.status == 429 {
                tally.over_a_limit += 1;
                continue;
            }
            tally.compared += 1;
            if request.asks_for_estimate() && estimate(one) != estimate(other) {
                tally.estimates_differ += 1;
                continue;
            }
            if let Some(what) = judge::difference(&settler, request, one, other) {
                differences.push((lane, index, detector, what));
            }
        }
        differences
    }
}

/// Where the planner's guess shows: in the total, and in a refusal to go beyond it.
fn estimate(answer: &Answer) -> (bool, Option<&str>) {
    let total = answer
        .headers
        .iter()
        .find(|(name, _)| name == "content-range")
        .and_then(|(_, range)| range.split('/').nth(1));
    (answer.status == 416, total)
}
