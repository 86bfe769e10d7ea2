//! How many tests ran, read from the closing lines of the runners.

use std::collections::BTreeMap;
use std::fmt;

/// Tests that ran, by runner.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub fn of(runner: &'static str, tests: u64) -> Self {
        Self(BTreeMap::from([(runner, tests)]))
    }

    pub fn add(&mut self, other: &Self) {
        for (runner, tests) in &other.0 {
            *self.0.entry(runner).or_default() += tests;
        }
    }

    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn in_brackets(&self) -> String {
        if self.0.is_empty() {
            String::new()
        } else {
            format!(" ({self})")
        }
    }

    /// `     Summary [   3.210s] 45 tests run: 45 passed, 0 skipped`
    pub fn nextest(output: &str) -> Self {
        let tests = output.lines().filter_map(|line| {
            let (before, _) = line
                .split_once(" tests run:")
                .or_else(|| line.split_once(" test run:"))?;
            // `45/50` when a run was cut short.
            before
                .rsplit(' ')
                .next()?
                .split('/')
                .next()?
                .parse::<u64>()
                .ok()
        });
        Self::of("nextest", tests.sum())
    }

    /// `Files=22, Tests=1042, 12 wallclock secs (...)`
    pub fn prove(output: &str) -> Self {
        let tests = output.lines().filter_map(|line| {
            line.strip_prefix("Files=")?
                .split_once("Tests=")?
                .1
                .split(',')
                .next()?
                .parse::<u64>()
                .ok()
        });
        Self::of("pgTAP", tests.sum())
    }

    /// `# tests 12`, or `ℹ tests 12` on a terminal.
    pub fn node(output: &str) -> Self {
        let tests = output.lines().filter_map(|line| {
            line.strip_prefix("# tests ")
                .or_else(|| line.strip_prefix("ℹ tests "))?
                .trim()
                .parse::<u64>()
                .ok()
        });
        Self::of("node --test", tests.sum())
    }

    /// `Ran 12 tests in 3.210s`
    pub fn unittest(output: &str) -> Self {
        let tests = output.lines().filter_map(|line| {
            let counted = line.strip_prefix("Ran ")?.split(' ').next()?;
            counted.parse::<u64>().ok()
        });
        Self::of("unittest", tests.sum())
    }

    /// `test result: ok. 12 passed; 0 failed; ...`
    pub fn doctests(output: &str) -> Self {
        let tests = output.lines().filter_map(|line| {
            let passed = line
                .strip_prefix("test result: ok. ")?
                .split_once(" passed")?
                .0;
            passed.parse::<u64>().ok()
        });
        Self::of("doc tests", tests.sum())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self
            .0
            .iter()
            .map(|(runner, tests)| format!("{tests} {runner}"))
            .collect();
        formatter.write_str(&each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_read() {
        assert_eq!(
            Counts::nextest("     Summary [   3.2s] 45 tests run: 45 passed, 0 skipped").sum(),
            45
        );
        assert_eq!(
            Counts::nextest("     Summary [   0.1s] 1 test run: 1 passed").sum(),
            1
        );
        assert_eq!(
            Counts::prove("ok\nFiles=2, Tests=104, 1 wallclock secs\nResult: PASS").sum(),
            104
        );
        assert_eq!(Counts::node("# tests 12\n# pass 12").sum(), 12);
        assert_eq!(Counts::node("ℹ tests 7").sum(), 7);
        assert_eq!(Counts::unittest("Ran 9 tests in 1.204s\n\nOK").sum(), 9);
        assert_eq!(
            Counts::doctests("test result: ok. 3 passed; 0 failed; 0 ignored").sum(),
            3
        );
    }

    #[test]
    fn counts_of_the_same_runner_add_up() {
        let mut counts = Counts::of("checks", 2);
        counts.add(&Counts::of("checks", 3));
        assert_eq!(counts.to_string(), "5 checks");
    }
}
