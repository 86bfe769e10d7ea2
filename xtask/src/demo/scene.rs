//! The files of `xtask/demo`, written as rows.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::session::{Session, Tenant, text};
use crate::layout;
use crate::services::Addresses;
use crate::stack::Stack;

#[derive(Debug, Clone, Serialize)]
pub struct Agent {
    pub id: String,
    pub name: String,
    pub model: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Workflow {
    pub id: String,
    pub name: String,
    pub nodes: usize,
}

/// A file of `xtask/demo`, with `$NAME` filled in.
pub fn file(name: &str, values: &[(&str, &str)]) -> Result<Value> {
    let path = layout::root().join("xtask/demo").join(name);
    let mut content =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    for (name, value) in values {
        content = content.replace(name, value);
    }
    serde_json::from_str(&content).with_context(|| format!("{} is not JSON", path.display()))
}

/// Inserts the agent, or brings the one of an earlier run up to date.
pub async fn save_agent(session: &Session, tenant: &Tenant) -> Result<Agent> {
    let agent = file("agent.json", &[])?;
    let same = format!("slug=eq.{}", text(&agent, "slug")?);
    let row = save(session, tenant, "ai_agents", &same, agent)
        .await
        .context("saving the agent")?;
    Ok(Agent {
        id: text(&row, "id")?,
        name: text(&row, "name")?,
        model: text(&row, "model")?,
    })
}

pub async fn save_workflow(
    session: &Session,
    tenant: &Tenant,
    agent: &Agent,
    stack: &Stack,
) -> Result<Workflow> {
    let helpdesk = Addresses::local(&stack.ports).helpdesk;
    let drawing = file(
        "support-triage.json",
        &[("$AGENT_ID", &agent.id), ("$HELPDESK_URL", &helpdesk)],
    )?;
    save_drawing(session, tenant, drawing).await
}

/// Inserts a workflow, or brings the one of an earlier run up to date.
pub async fn save_drawing(session: &Session, tenant: &Tenant, drawing: Value) -> Result<Workflow> {
    let nodes = drawing["nodes"].as_array().map_or(0, Vec::len);
    let name = text(&drawing, "name")?;
    // PostgREST reads commas and other signs in a value as its own, unless it is quoted.
    let same = format!("name=eq.\"{name}\"").replace(' ', "%20");
    let row = save(session, tenant, "workflows", &same, drawing)
        .await
        .with_context(|| format!("saving the workflow \"{name}\""))?;
    Ok(Workflow {
        id: text(&row, "id")?,
        name,
        nodes,
    })
}

async fn save(
    session: &Session,
    tenant: &Tenant,
    table: &str,
    same: &str,
    mut row: Value,
) -> Result<Value> {
    let existing = session
        .rows(
            table,
            &format!("tenant_id=eq.{}&{same}&select=id", tenant.id),
        )
        .await?;
    match existing.first() {
        Some(existing) => {
            let id = text(existing, "id")?;
            session
                .update(
                    table,
                    &format!("tenant_id=eq.{}&id=eq.{id}", tenant.id),
                    &row,
                )
                .await
        }
        None => {
            row["tenant_id"] = json!(tenant.id);
            session.insert(table, &row).await
        }
    }
}
