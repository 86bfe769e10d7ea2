//! Running other programs to their end.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::progress::Step;

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
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{shown}`"))?;
    let (mut out, mut err) = (lines_of(child.stdout.take()), lines_of(child.stderr.take()));
    let mut said = String::new();
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let line = tokio::select! {
            line = next_line(&mut out), if out_open => { out_open = line.is_some(); line }
            line = next_line(&mut err), if err_open => { err_open = line.is_some(); line }
        };
        if let Some(line) = line {
            step.note(line.trim());
            said.push_str(&line);
            said.push('\n');
        }
    }
    let status = child.wait().await?;
    if !status.success() {
        bail!("`{shown}` {}{}", ending(status), last_lines(&said, 40));
    }
    Ok(())
}

/// Runs a program whose output goes straight to ours. True when it succeeded.
pub async fn passed_through(command: &mut Command) -> Result<bool> {
    let shown = shown(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .await
        .with_context(|| format!("could not start `{shown}`"))?;
    Ok(status.success())
}

/// The last lines of a text, on lines of their own.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let kept = &lines[lines.len().saturating_sub(count)..];
    kept.iter().map(|line| format!("\n    {line}")).collect()
}

type Lines<R> = Option<tokio::io::Lines<BufReader<R>>>;

fn lines_of<R: tokio::io::AsyncRead>(stream: Option<R>) -> Lines<R> {
    stream.map(|stream| BufReader::new(stream).lines())
}

async fn next_line<R: tokio::io::AsyncRead + Unpin>(lines: &mut Lines<R>) -> Option<String> {
    match lines {
        // What is not UTF-8 ends the reading early, never the program.
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => None,
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
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
