//! Three executions at once, watched step by step and read back as rows.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::http;
use super::print::Printer;
use super::report::{Execution, Step};
use super::scene;
use super::session::{Session, one, text};
use super::stream::{self, Event};

/// Starts an execution for each ticket, follows them side by side, and reads the final rows through PostgREST.
pub async fn run(session: &Session, workflow: &str, printer: &Printer) -> Result<Vec<Execution>> {
    let tickets = scene::file("tickets.json", &[])?;
    let tickets = tickets.as_array().context("tickets.json holds no list")?;
    let mut started = Vec::new();
    for ticket in tickets {
        let arguments = json!({ "workflow_id": workflow, "input": ticket });
        let execution = one(http::demand(
            session.call("start_execution", &arguments).await?,
        )?)?;
        started.push((
            text(ticket, "ticket_id")?,
            text(&execution, "id")?,
            Instant::now(),
        ));
        printer.done(&format!(
            "started {} \"{}\" by RPC",
            text(ticket, "ticket_id")?,
            text(ticket, "subject")?
        ));
    }
    printer.steps_begin();
    let followed = started
        .iter()
        .map(|(ticket, id, since)| follow(session, ticket, id, *since, printer));
    let executions = try_join_all(followed).await?;
    printer.executions(&executions);
    for execution in &executions {
        ensure!(
            execution.status == "succeeded",
            "the execution for {} is {}: {}",
            execution.ticket,
            execution.status,
            execution.output
        );
    }
    Ok(executions)
}

async fn follow(
    session: &Session,
    ticket: &str,
    id: &str,
    since: Instant,
    printer: &Printer,
) -> Result<Execution> {
    stream::follow(session, id, |event| match event {
        Event::Step(row) => printer.step(ticket, &step(&row)),
        Event::Execution(row) => printer.execution(
            ticket,
            row["status"].as_str().unwrap_or_default(),
            &row["error"],
        ),
    })
    .await
    .with_context(|| format!("following the execution for {ticket}"))?;
    let seen_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);

    let row = session.rows("executions", &format!("id=eq.{id}")).await?;
    let row = row.first().context("the execution cannot be read back")?;
    let steps = session
        .rows(
            "execution_steps",
            &format!("execution_id=eq.{id}&order=revision"),
        )
        .await?;
    let steps: Vec<Step> = steps.iter().map(step).collect();
    Ok(Execution {
        id: id.to_owned(),
        ticket: ticket.to_owned(),
        status: text(row, "status")?,
        seen_ms,
        duration_ms: between(&row["created_at"], &row["finished_at"]),
        output: if row["error"].is_null() {
            row["output"].clone()
        } else {
            row["error"].clone()
        },
        input_tokens: steps.iter().filter_map(|step| step.input_tokens).sum(),
        output_tokens: steps.iter().filter_map(|step| step.output_tokens).sum(),
        cost_usd: steps.iter().filter_map(|step| step.cost_usd).sum(),
        steps,
    })
}

fn step(row: &Value) -> Step {
    let word = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    Step {
        node_id: word("node_id"),
        kind: word("kind"),
        status: word("status"),
        attempt: row["attempt"].as_i64().unwrap_or(1),
        handle: row["handle"].as_str().map(str::to_owned),
        duration_ms: between(&row["started_at"], &row["finished_at"]),
        model: row["model"].as_str().map(str::to_owned),
        input_tokens: row["input_tokens"].as_i64(),
        output_tokens: row["output_tokens"].as_i64(),
        cost_usd: number(&row["cost_usd"]),
    }
}

/// PostgREST writes `numeric` as a number, edge-api may write it as text to lose no digit.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn between(from: &Value, to: &Value) -> Option<i64> {
    let at = |value: &Value| {
        value
            .as_str()?
            .replacen(' ', "T", 1)
            .parse::<jiff::Timestamp>()
            .ok()
    };
    Some(at(to)?.as_millisecond() - at(from)?.as_millisecond())
}
