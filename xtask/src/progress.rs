//! What a person sees while something runs: a spinner on a terminal, plain lines everywhere else.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where lines go. Commands that answer in JSON keep stdout for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, Copy)]
pub struct Progress {
    lines: Lines,
    terminal: bool,
}

impl Progress {
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Prints one line.
    pub fn line(&self, text: impl AsRef<str>) {
        print(self.lines, text.as_ref());
    }

    /// Begins a step that may take a while. Dropped without `done`, it leaves no mark: the error says what went wrong.
    pub fn step(&self, what: impl Into<String>) -> Step {
        let what = what.into();
        let bar = if self.terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            Some(bar)
        } else {
            None
        };
        Step {
            lines: self.lines,
            what,
            bar,
            started: Instant::now(),
        }
    }
}

pub struct Step {
    lines: Lines,
    what: String,
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Step {
    /// Shows what the step is doing just now; on a terminal only.
    pub fn note(&self, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(note.to_owned());
        }
    }

    pub fn done(self) {
        let text = self.what.clone();
        self.done_with(text);
    }

    /// Ends the step with another text than it began with.
    pub fn done_with(self, text: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        print(
            self.lines,
            &format!(
                "  ✓ {} {}",
                text.as_ref(),
                in_brackets(self.started.elapsed())
            ),
        );
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn in_brackets(elapsed: Duration) -> String {
    if elapsed < Duration::from_millis(100) {
        String::new()
    } else {
        format!("({})", seconds(elapsed))
    }
}

/// A duration as a person reads it: `85 ms`, `1.2 s`, `2 min 05 s`.
pub fn seconds(elapsed: Duration) -> String {
    let total = elapsed.as_secs_f64();
    if total < 1.0 {
        format!("{:.0} ms", total * 1000.0)
    } else if total < 100.0 {
        format!("{total:.1} s")
    } else {
        format!(
            "{} min {:02} s",
            elapsed.as_secs() / 60,
            elapsed.as_secs() % 60
        )
    }
}

/// The one place where this program speaks. Nobody listening any more (`| head`) is no reason to fall over.
pub fn print(lines: Lines, text: &str) {
    let _ = match lines {
        Lines::Stdout => writeln!(std::io::stdout(), "{text}"),
        Lines::Stderr => writeln!(std::io::stderr(), "{text}"),
    };
}
