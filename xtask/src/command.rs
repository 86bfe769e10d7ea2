//! Running other programs to their end.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::database::without_password;
use crate::progress::{Lines, Step, print};

/// Runs a program and returns its stdout. A failure tells the command and the end of what it said.
pub async fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("could not start `{shown}`"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        bail!(
            "`{shown}` {}{}",
            ending(output.status),
            last_lines(&said, 30)
        );
    }
    Ok(stdout)
}

/// Whether a program runs and succeeds; a missing program is a no.
pub async fn succeeds(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

/// Runs a program, showing each line that it says as the step's note. A failure tells the end of what it said.
pub async fn watched(command: &mut Command, step: &Step) -> Result<()> {
    let shown = shown(command);
    let mut child = piped(command)
        .spawn()
        .with_context(|| format!("could not start `{shown}`"))?;
    let said = read_lines(&mut child, |line| step.note(line.trim())).await;
    let status = child.wait().await?;
    if !status.success() {
        bail!("`{shown}` {}{}", ending(status), last_lines(&said, 40));
    }
    Ok(())
}

/// Runs a program whose lines are printed as they come, and kept. Says whether it succeeded.
pub async fn shown_and_kept(command: &mut Command) -> Result<(bool, String)> {
    let shown = shown(command);
    let mut child = piped(command)
        .spawn()
        .with_context(|| format!("could not start `{shown}`"))?;
    let said = read_lines(&mut child, |line| print(Lines::Stdout, line)).await;
    Ok((child.wait().await?.success(), said))
}

/// The last lines of a text, on lines of their own.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let kept = &lines[lines.len().saturating_sub(count)..];
    kept.iter().map(|line| format!("\n    {line}")).collect()
}

fn piped(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Whoever stops waiting for it does not want it any more.
        .kill_on_drop(true)
}

/// Everything that a program says, handing over each line as it comes.
async fn read_lines(child: &mut Child, mut each: impl FnMut(&str)) -> String {
    let mut out = Stream::new(child.stdout.take());
    let mut err = Stream::new(child.stderr.take());
    let mut said = String::new();
    loop {
        let line = tokio::select! {
            Some(line) = out.next_line() => line,
            Some(line) = err.next_line() => line,
            else => return said,
        };
        each(&line);
        said.push_str(&line);
        said.push('\n');
    }
}

struct Stream<R> {
    reader: Option<BufReader<R>>,
    /// A line that is not whole yet. It outlives the waiting for its end, which the other stream may interrupt.
    begun: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    fn new(stream: Option<R>) -> Self {
        Self {
            reader: stream.map(BufReader::new),
            begun: Vec::new(),
        }
    }

    /// None at the end. What is not UTF-8 is replaced: one odd byte must not end the reading.
    async fn next_line(&mut self) -> Option<String> {
        let reader = self.reader.as_mut()?;
        let ended =
            !matches!(reader.read_until(b'\n', &mut self.begun).await, Ok(read) if read > 0);
        if ended && self.begun.is_empty() {
            self.reader = None;
            return None;
        }
        let line = std::mem::take(&mut self.begun);
        Some(
            String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned(),
        )
    }
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with exit code {code}:"),
        None => format!("was ended by a signal ({status}):"),
    }
}

fn shown(command: &Command) -> String {
    let command = command.as_std();
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|arg| without_password(&arg.to_string_lossy())),
    );
    words.join(" ")
}
