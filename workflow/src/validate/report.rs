//! Collects problems and puts them in order.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::limits::MAX_PROBLEMS;
use crate::path::Path;
use crate::{Code, Problem, Severity};

/// What whoever asks wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every problem, up to a limit.
    Problems,
    /// Only whether there is an error.
    Verdict,
}

/// The problems found so far.
pub(crate) struct Report {
    wanted: Wanted,
    problems: Vec<Problem>,
    has_error: bool,
    is_cut: bool,
}

impl Report {
    pub(crate) fn new(wanted: Wanted) -> Report {
        Report {
            wanted,
            problems: Vec::new(),
            has_error: false,
            is_cut: false,
        }
    }

    pub(crate) fn has_error(&self) -> bool {
        self.has_error
    }

    /// Whether nothing that may still be found changes the answer. What goes through many things
    /// asks this before each, so that hostile input cannot make it go on for long.
    pub(crate) fn is_settled(&self) -> bool {
        match self.wanted {
            Wanted::Problems => self.is_cut,
            Wanted::Verdict => self.has_error,
        }
    }

    pub(crate) fn add(
        &mut self,
        code: Code,
        node_id: Option<&str>,
        path: &Path<'_>,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.has_error |= code.severity() == Severity::Error;
        if self.wanted == Wanted::Verdict {
            return;
        }
        if self.problems.len() >= MAX_PROBLEMS {
            self.is_cut = true;
            self.has_error = true;
            return;
        }
        let message = message.into().into_owned();
        self.problems
            .push(Problem::new(code, node_id, path.pointer(), message));
    }

    /// For a place whose path is already written out, in no node in particular.
    pub(crate) fn add_at(&mut self, code: Code, pointer: String, message: String) {
        self.has_error |= code.severity() == Severity::Error;
        self.problems
            .push(Problem::new(code, None, pointer, message));
    }

    /// The problems in document order, then by code.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by(|left, right| {
            in_document(&left.pointer, &right.pointer)
                .then(left.code.as_str().cmp(right.code.as_str()))
                .then_with(|| left.message.cmp(&right.message))
        });
        self.problems.dedup();
        if self.is_cut {
            self.problems.push(Problem::new(
                Code::TooManyProblems,
                None,
                "/nodes",
                format!("only the first {MAX_PROBLEMS} problems are listed; solve those first"),
            ));
        }
        self.problems
    }
}

/// `/nodes` before `/connections`, items by their number, fields by their name, and what holds
/// something before what it holds. A name of digits alone counts as a number, and comes before
/// other names.
fn in_document(left: &str, right: &str) -> Ordering {
    let is_edge = |pointer: &str| pointer.starts_with("/connections");
    // One order for all tokens: numbers as numbers and everything else as text would be none.
    let rank = |token: &'_ str| match token.parse::<usize>() {
        Ok(number) => (false, number),
        Err(_) => (true, 0),
    };
    is_edge(left).cmp(&is_edge(right)).then_with(|| {
        let (mut left, mut right) = (left.split('/'), right.split('/'));
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(left), Some(right)) => {
                    rank(left).cmp(&rank(right)).then_with(|| left.cmp(right))
                }
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    })
}
