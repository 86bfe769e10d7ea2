//! How the demo looks.

use serde_json::Value;

use super::http::Refusal;
use super::report::{Execution, Step};
use crate::progress::Progress;
use crate::row;
use crate::table;

pub struct Printer {
    progress: Progress,
}

impl Printer {
    pub fn new(progress: Progress) -> Self {
        Self { progress }
    }

    pub fn heading(&self, text: &str) {
        self.progress.line(text);
    }

    pub fn done(&self, text: &str) {
        self.progress.line(format!("  ✓ {text}"));
    }

    pub fn refused(&self, what: &str, refusal: &Refusal) {
        self.progress
            .line(format!("  ✓ {what} is refused: {refusal}"));
    }

    pub fn detail(&self, text: &str) {
        self.progress.line(format!("      {text}"));
    }

    pub fn steps_begin(&self) {
        self.progress.line(format!(
            "\n  {:<8} {:<24} {:<12} {:>9} {:>12} {:>11}",
            "ticket", "node", "status", "time", "tokens", "cost"
        ));
    }

    /// One line for each state that a step is seen in, except that it began.
    pub fn step(&self, ticket: &str, step: &Step) {
        if step.status == "running" {
            return;
        }
        let node = match &step.handle {
            Some(handle) => format!("{} → {handle}", step.node_id),
            None => step.node_id.clone(),
        };
        let status = if step.attempt > 1 {
            format!("{} #{}", step.status, step.attempt)
        } else {
            step.status.clone()
        };
        let time = step
            .duration_ms
            .map_or_else(String::new, |ms| format!("{ms} ms"));
        self.progress.line(
            format!(
                "  {ticket:<8} {node:<24} {status:<12} {time:>9} {:>12} {:>11}",
                tokens(step.input_tokens, step.output_tokens),
                cost(step.cost_usd)
            )
            .trim_end(),
        );
    }

    pub fn execution(&self, ticket: &str, status: &str, error: &Value) {
        match status {
            "succeeded" => self.progress.line(format!("  {ticket:<8} ═ {status}")),
            "failed" | "cancelled" => self
                .progress
                .line(format!("  {ticket:<8} ═ {status} {error}")),
            _ => {}
        }
    }

    /// The final rows, as PostgREST gave them back.
    pub fn executions(&self, executions: &[Execution]) {
        let mut rows = vec![row![
            "ticket", "status", "steps", "time", "tokens", "cost", "routed", "labels"
        ]];
        for execution in executions {
            let done = &execution.output["done"];
            let labels: Vec<&str> = done["labels"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            rows.push(row![
                execution.ticket,
                execution.status,
                execution.steps.len(),
                execution
                    .duration_ms
                    .map_or_else(String::new, |ms| format!("{ms} ms")),
                tokens(Some(execution.input_tokens), Some(execution.output_tokens)),
                cost(Some(execution.cost_usd)),
                done["routed"].as_str().unwrap_or("-"),
                labels.join(", "),
            ]);
        }
        self.progress.line(format!(
            "\n  Read back through PostgREST:\n{}\n",
            table::render(&rows)
        ));
    }
}

fn tokens(input: Option<i64>, output: Option<i64>) -> String {
    match (input, output) {
        (None, None) => String::new(),
        (input, output) => format!("{}+{}", input.unwrap_or(0), output.unwrap_or(0)),
    }
}

fn cost(usd: Option<f64>) -> String {
    usd.map_or_else(String::new, |usd| format!("${usd:.6}"))
}
