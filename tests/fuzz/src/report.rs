//! What a run found, for a person.

use std::fmt::Write;
use std::time::Duration;

use crate::judge::faults::Blame;
use crate::round::{Detector, Finding};
use crate::tally::{CLASSES, Tally};
use crate::timing::Timing;

pub struct Report<'a> {
    pub seed: u64,
    /// How many were asked for.
    pub requests: usize,
    pub tally: &'a Tally,
    pub findings: &'a [Finding],
    pub timings: &'a [Timing],
    pub elapsed: Duration,
    /// Whether it ended before all were asked.
    pub stopped: bool,
    /// Whether to say with which codes requests were refused, and what differed by chance.
    pub codes: bool,
}

const DETECTORS: [(Detector, &str); 4] = [
    (Detector::Leak, "leaks: something foreign in an answer"),
    (
        Detector::Change,
        "changes of foreign rows, counters or queues",
    ),
    (
        Detector::ToldApart,
        "foreign ids told apart from ids that do not exist",
    ),
    (
        Detector::Depends,
        "answers that change when the foreign tenants are gone",
    ),
];

/// Of those that are alike, so many are printed.
const MOST: usize = 8;

impl Report<'_> {
    pub fn print(&self) -> String {
        let mut out = String::new();
        for (detector, title) in DETECTORS {
            let findings: Vec<_> = self.of(detector).collect();
            for finding in findings.iter().take(MOST) {
                let place = match finding.index {
                    Some(index) => format!("request {index} of lane {}", finding.lane),
                    None => "some request".to_owned(),
                };
                let _ = writeln!(
                    out,
                    "\nFOUND: {title}\n  {place}\n  {}",
                    indented(&finding.what)
                );
                let _ = writeln!(out, "  {}", indented(&finding.commands));
                let _ = writeln!(
                    out,
                    "  once more, and the stack stays up: cargo xtask fuzz-tenancy --requests {} --seed {} --round {} --keep",
                    self.requests, self.seed, finding.round
                );
            }
            if findings.len() > MOST {
                let _ = writeln!(out, "\n… and {} more of these", findings.len() - MOST);
            }
        }
        self.print_faults(&mut out);
        self.print_requests(&mut out);
        if self.codes {
            self.print_codes(&mut out);
        }
        self.print_timings(&mut out);
        self.print_verdicts(&mut out);
        out
    }

    fn of(&self, detector: Detector) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.detector == detector)
    }

    fn print_faults(&self, out: &mut String) {
        if self.tally.faults.is_empty() {
            return;
        }
        let _ = writeln!(out, "\nanswers of status 5xx");
        for (blame, words, seen) in self.tally.faults.iter() {
            let whose = match blame {
                Blame::SupabaseLite => "Supabase Lite",
                Blame::PostgRest => "as PostgREST does",
                Blame::Database => "THE DATABASE",
                Blame::EdgeApi => "EDGE-API",
                Blame::Nobody => "NO ANSWER",
            };
            let _ = writeln!(out, "  {:>5} x {whose}: {words}", seen.times);
            if !matches!(blame, Blame::SupabaseLite | Blame::PostgRest) {
                let _ = writeln!(
                    out,
                    "          {}",
                    seen.example.replace('\n', "\n          ")
                );
            }
        }
    }

    fn print_requests(&self, out: &mut String) {
        let _ = write!(out, "\n  {:<24}{:>9}", "requests", "");
        for class in CLASSES {
            let _ = write!(out, "{class:>11}");
        }
        let _ = writeln!(out);
        let mut total = [0; CLASSES.len()];
        for (kind, classes) in &self.tally.by_kind {
            total
                .iter_mut()
                .zip(classes)
                .for_each(|(sum, count)| *sum += count);
            let _ = writeln!(out, "  {kind:<24}{}", counts(classes));
        }
        let _ = writeln!(out, "  {:<24}{}", "all", counts(&total));
    }

    fn print_codes(&self, out: &mut String) {
        let _ = writeln!(out);
        for ((kind, refusal), times) in &self.tally.refusals {
            let _ = writeln!(out, "  {kind:<24}{times:>9} x {refusal}");
        }
        for what in &self.tally.unsteady {
            let _ = writeln!(out, "\n  differed by chance: {}", indented(what));
        }
    }

    fn print_timings(&self, out: &mut String) {
        if self.timings.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n  {:<58}{:>7}{:>12}{:>12}{:>13}{:>8}",
            "time, foreign against not existing (no verdict)",
            "pairs",
            "foreign",
            "missing",
            "difference",
            "z"
        );
        for timing in self.timings {
            let _ = writeln!(
                out,
                "  {:<58}{:>7}{:>9.2} ms{:>9.2} ms{:>+10.3} ms{:>+8.1}",
                timing.what,
                timing.pairs,
                timing.foreign_ms,
                timing.ghost_ms,
                timing.difference_ms,
                timing.z
            );
        }
    }

    fn print_verdicts(&self, out: &mut String) {
        let _ = writeln!(out);
        for (detector, title) in DETECTORS {
            let _ = writeln!(out, "  {title:<58}{:>7}", self.of(detector).count());
        }
        let tally = self.tally;
        for (title, count) in [
            ("pairs of answers compared", tally.compared),
            ("  not compared: over a rate limit", tally.over_a_limit),
            (
                "  differed by chance, and not when asked again",
                tally.unsteady.len(),
            ),
            (
                "  planner's estimates that differed (see tests/README.md)",
                tally.estimates_differ,
            ),
            ("answers of status 5xx (listed above)", tally.faults.times()),
        ] {
            let _ = writeln!(out, "  {title:<58}{count:>7}");
        }
        let seconds = self.elapsed.as_secs_f64();
        if self.stopped {
            let _ = writeln!(out, "\nstopped before the end: so many findings are enough");
        }
        let _ = writeln!(
            out,
            "\nseed {}: {} requests, sent {} times in {seconds:.1} s, {:.0} a second",
            self.seed,
            tally.requests(),
            tally.sent,
            tally.sent as f64 / seconds
        );
    }
}

fn counts(classes: &[usize; CLASSES.len()]) -> String {
    let sum: usize = classes.iter().sum();
    let each: String = classes.iter().map(|count| format!("{count:>11}")).collect();
    format!("{sum:>9}{each}")
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}
