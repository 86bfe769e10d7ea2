//! The doors that must not open, and what they say.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::http::Refusal;
use super::print::Printer;
use super::report::{Doors, Execution, OtherTenant};
use super::scene;
use super::session::{Session, Tenant};
use crate::secrets::SEEDED_PASSWORD;
use crate::stack::Stack;

pub async fn try_all(
    stack: &Stack,
    owner: &Session,
    tenant: &Tenant,
    executions: &[Execution],
    printer: &Printer,
) -> Result<Doors> {
    printer.heading("The doors that hold");
    let (invalid_workflow, problems) = invalid_workflow(owner, tenant, printer).await?;
    let stranger = Session::sign_in(stack, "owner@beta.test", SEEDED_PASSWORD).await?;
    let other_tenant = other_tenant(&stranger, tenant, executions, printer).await?;
    let over_plan = over_plan(&stranger, printer).await?;
    Ok(Doors {
        invalid_workflow,
        problems,
        other_tenant,
        over_plan,
    })
}

/// A half-drawn workflow may be kept, and cannot be activated.
async fn invalid_workflow(
    owner: &Session,
    tenant: &Tenant,
    printer: &Printer,
) -> Result<(Refusal, Vec<Value>)> {
    let drawing = scene::save_drawing(owner, tenant, scene::file("half-drawn.json", &[])?).await?;
    let answer = owner
        .call("activate_workflow", &json!({ "workflow_id": drawing.id }))
        .await?;
    owner
        .delete(
            "workflows",
            &format!("tenant_id=eq.{}&id=eq.{}", tenant.id, drawing.id),
        )
        .await?;
    let Err(refusal) = answer else {
        bail!("a workflow with problems was activated")
    };
    ensure!(
        refusal.status == 422,
        "a workflow with problems was refused with {refusal}, not with 422"
    );
    let problems: Vec<Value> =
        serde_json::from_str(refusal.body.details.as_deref().unwrap_or("[]"))
            .context("the details of the refusal are no list of problems")?;
    ensure!(!problems.is_empty(), "the refusal names no problem");
    printer.refused("an invalid workflow", &refusal);
    for problem in &problems {
        let of = |field: &str| problem[field].as_str().unwrap_or_default();
        printer.detail(&format!(
            "{}  {}: {}",
            of("pointer"),
            of("code"),
            of("message")
        ));
    }
    Ok((refusal, problems))
}

/// Another tenant's owner asks for this tenant's rows by their ids.
async fn other_tenant(
    stranger: &Session,
    tenant: &Tenant,
    executions: &[Execution],
    printer: &Printer,
) -> Result<OtherTenant> {
    let mut rows_seen = 0;
    for table in [
        "ai_agents",
        "workflows",
        "workflow_versions",
        "executions",
        "execution_steps",
        "usage",
        "memberships",
    ] {
        rows_seen += stranger
            .rows(table, &format!("tenant_id=eq.{}", tenant.id))
            .await?
            .len();
    }
    rows_seen += stranger
        .rows("tenants", &format!("id=eq.{}", tenant.id))
        .await?
        .len();
    ensure!(
        rows_seen == 0,
        "{} sees {rows_seen} rows of the tenant {}",
        stranger.email,
        tenant.name
    );

    let execution = &executions
        .first()
        .context("there is no execution to ask for")?
        .id;
    let response = stranger
        .edge(&format!("/v1/executions/{execution}/events"))
        .send()
        .await?;
    let event_stream_status = response.status().as_u16();
    ensure!(
        event_stream_status == 404,
        "{} gets {event_stream_status} for another tenant's event stream",
        stranger.email
    );
    printer.done(&format!(
        "{} of another tenant sees 0 rows in 8 tables, and 404 for the event stream",
        stranger.email
    ));
    Ok(OtherTenant {
        user: stranger.email.clone(),
        rows_seen,
        event_stream_status,
    })
}

/// The small plan of the other tenant is used up until it says so.
async fn over_plan(stranger: &Session, printer: &Printer) -> Result<Refusal> {
    let tenant = stranger.only_tenant().await?;
    let workflow = scene::save_drawing(stranger, &tenant, scene::file("hello.json", &[])?).await?;
    stranger.activate(&workflow.id).await?;
    for _ in 0..1000 {
        let Err(refusal) = stranger
            .call("start_execution", &json!({ "workflow_id": workflow.id }))
            .await?
        else {
            continue;
        };
        ensure!(
            refusal.status == 402,
            "an execution over the plan was refused with {refusal}, not with 402"
        );
        printer.refused(
            &format!("one execution more than the plan of {} has", tenant.name),
            &refusal,
        );
        for line in [&refusal.body.details, &refusal.body.hint]
            .into_iter()
            .flatten()
        {
            printer.detail(line);
        }
        return Ok(refusal);
    }
    bail!("the plan of {} has no end", tenant.name)
}
