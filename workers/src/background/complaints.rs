//! Failures, said once for each reason.

use std::collections::BTreeSet;

/// More different reasons than this are forgotten, and may be said again.
const MOST: usize = 100;

/// What a chore has already complained about since it last went well. A database that is away for an hour is one line in the log.
#[derive(Debug)]
pub struct Complaints {
    work: &'static str,
    reasons: BTreeSet<String>,
    failures: u64,
}

impl Complaints {
    pub const fn new(work: &'static str) -> Self {
        Self {
            work,
            reasons: BTreeSet::new(),
            failures: 0,
        }
    }

    /// Says it, unless it was said.
    pub fn complain(&mut self, error: &anyhow::Error) {
        let reason = reason(error);
        if self.is_new(reason.clone()) {
            tracing::warn!(
                work = self.work,
                error = reason,
                "fails; it is tried again, and this reason not repeated here"
            );
        }
    }

    /// Says so, if there was something to complain about.
    pub fn well_again(&mut self) {
        if self.failures > 0 {
            tracing::info!(work = self.work, failures = self.failures, "works again");
            self.failures = 0;
            self.reasons.clear();
        }
    }

    fn is_new(&mut self, reason: String) -> bool {
        self.failures += 1;
        if self.reasons.len() >= MOST {
            self.reasons.clear();
        }
        self.reasons.insert(reason)
    }
}

/// An error and its causes, but for those that it repeats itself.
fn reason(error: &anyhow::Error) -> String {
    let mut reason = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if reason.is_empty() {
            reason = cause;
        } else if !reason.ends_with(&cause) {
            reason = format!("{reason}: {cause}");
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_each_cause_once() {
        let error = anyhow::anyhow!("a: b").context("c").context("d: c");
        assert_eq!(reason(&error), "d: c: a: b");
        let error = sqlx::Error::Io(std::io::Error::other("away"));
        let text = error.to_string();
        assert_eq!(reason(&error.into()), text);
    }

    #[test]
    fn a_reason_is_said_once_until_things_go_well() {
        let mut complaints = Complaints::new("test");
        let said = ["a", "a", "b", "a"].map(|reason| complaints.is_new(reason.to_owned()));
        assert_eq!(said, [true, false, true, false]);
        complaints.well_again();
        assert!(complaints.is_new("a".to_owned()));
    }

    #[test]
    fn reasons_without_end_do_not_fill_the_memory() {
        let mut complaints = Complaints::new("test");
        for number in 0..10 * MOST {
            complaints.is_new(number.to_string());
        }
        assert!(complaints.reasons.len() <= MOST);
    }
}
