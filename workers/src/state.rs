//! The two state machines, as the checks of `public.executions` and `public.execution_steps` have them.
//!
//! README.md draws them; tests hold the drawing, these lists and the checks in SQL equal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Nothing of it is recorded yet. A worker may hold it already: a claim writes nothing but the job.
    Queued,
    /// A worker holds it, and has recorded something of it.
    Running,
    /// Nobody holds it; it goes on by itself at a known time, or when something is delivered that it waits for.
    Waiting,
    /// Nobody holds it; it goes on when somebody resumes it.
    Paused,
    /// Every node ended or was skipped.
    Succeeded,
    /// A step failed for good, or the execution could not be run at all.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
}

impl ExecutionStatus {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Every change that there is.
    pub const TRANSITIONS: &[(Self, Self)] = &[
        (Self::Queued, Self::Running),
        (Self::Queued, Self::Waiting),
        (Self::Queued, Self::Paused),
        (Self::Queued, Self::Succeeded),
        (Self::Queued, Self::Failed),
        (Self::Queued, Self::Cancelled),
        (Self::Running, Self::Waiting),
        (Self::Running, Self::Paused),
        (Self::Running, Self::Succeeded),
        (Self::Running, Self::Failed),
        (Self::Running, Self::Cancelled),
        (Self::Waiting, Self::Waiting),
        (Self::Waiting, Self::Running),
        (Self::Waiting, Self::Paused),
        (Self::Waiting, Self::Succeeded),
        (Self::Waiting, Self::Failed),
        (Self::Waiting, Self::Cancelled),
        (Self::Paused, Self::Waiting),
        (Self::Paused, Self::Cancelled),
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a recorded step stands. A step that has not begun has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// An attempt has begun.
    Running,
    /// It goes on at `run_at`, with the next attempt or at the end of a delay; or when something is delivered, and then it gives up at
    /// `run_at`, if there is one.
    Waiting,
    Succeeded,
    /// The last attempt failed; `on_error` says what follows.
    Failed,
    /// No edge into it was taken.
    Skipped,
    /// Its execution ended while it was running or waiting.
    Cancelled,
}

impl StepStatus {
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The states in which a step's row may be written first.
    pub const FIRST: &[Self] = &[
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
    ];

    /// Every change that there is. A step may run again after a worker died: the attempt grows.
    pub const TRANSITIONS: &[(Self, Self)] = &[
        (Self::Running, Self::Running),
        (Self::Running, Self::Waiting),
        (Self::Running, Self::Succeeded),
        (Self::Running, Self::Failed),
        (Self::Running, Self::Cancelled),
        (Self::Waiting, Self::Running),
        (Self::Waiting, Self::Succeeded),
        (Self::Waiting, Self::Failed),
        (Self::Waiting, Self::Cancelled),
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes again.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of the Mermaid diagram under a heading of README.md.
    fn drawn(heading: &str) -> Vec<(String, String)> {
        let readme = include_str!("../README.md");
        let section = readme.split(heading).nth(1).expect("the heading is there");
        let diagram = section.split("```").nth(1).expect("a diagram follows it");
        let mut arrows: Vec<_> = diagram
            .lines()
            .filter_map(|line| line.split_once("-->"))
            .map(|(from, to)| {
                let to = to.split(':').next().unwrap_or(to);
                (from.trim().to_owned(), to.trim().to_owned())
            })
            .collect();
        arrows.sort();
        arrows
    }

    fn expected<S: Copy>(
        text: fn(S) -> &'static str,
        first: &[S],
        changes: &[(S, S)],
        last: &[S],
    ) -> Vec<(String, String)> {
        let start = first.iter().map(|to| ("[*]", text(*to)));
        let between = changes.iter().map(|(from, to)| (text(*from), text(*to)));
        let end = last.iter().map(|from| (text(*from), "[*]"));
        let mut arrows: Vec<_> = start
            .chain(between)
            .chain(end)
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .collect();
        arrows.sort();
        arrows
    }

    #[test]
    fn the_readme_draws_these_machines() {
        let last: Vec<_> = ExecutionStatus::ALL
            .into_iter()
            .filter(|s| s.is_final())
            .collect();
        assert_eq!(
            drawn("### An execution"),
            expected(
                ExecutionStatus::as_str,
                &[ExecutionStatus::Queued],
                ExecutionStatus::TRANSITIONS,
                &last
            )
        );
        let last: Vec<_> = StepStatus::ALL
            .into_iter()
            .filter(|s| s.is_final())
            .collect();
        assert_eq!(
            drawn("### A step"),
            expected(
                StepStatus::as_str,
                StepStatus::FIRST,
                StepStatus::TRANSITIONS,
                &last
            )
        );
    }

    #[test]
    fn nothing_leaves_a_final_state() {
        assert!(
            ExecutionStatus::TRANSITIONS
                .iter()
                .all(|(from, _)| !from.is_final())
        );
        assert!(
            StepStatus::TRANSITIONS
                .iter()
                .all(|(from, _)| !from.is_final())
        );
    }
}
