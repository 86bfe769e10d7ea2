//! The tools of an agent that is asked in OpenAI's protocol. They run inside of the request and as whoever asks: what these may not do, the agent does not
//! for them. Its maker has declared them, so the request cannot add one.

mod rpc;
mod search_documents;
mod secrets;
mod start_workflow;

use std::sync::Arc;

use agents::declared::Kind;
use agents::{Tool, ToolError, Toolbox};
use axum::http::StatusCode;
use outbound::tools::{HttpTool, mcp, names_secrets};
use outbound::{Outside, Ways};
use serde_json::Value;
use uuid::Uuid;
use vault::Vault;

use self::search_documents::SearchDocuments;
use self::secrets::AgentSecrets;
use self::start_workflow::StartWorkflow;
use crate::database::CallerSession;
use crate::error::ApiError;

/// For whom an agent's tools run.
pub struct Asking {
    pub session: CallerSession,
    pub tenant_id: Uuid,
    pub agent_id: Uuid,
    /// The request: what its tools begin, they begin once.
    pub conversation: Uuid,
    /// None: secrets cannot be opened.
    pub vault: Option<Vault>,
    pub ways: Ways,
}

/// Whether there is something in an agent's config that runs here.
pub fn has_tools(config: &Value) -> bool {
    declared(config).any(|tool| Kind::of(tool).is_some()) || mcp_servers(config).next().is_some()
}

/// All that this agent's model may have run for this caller; MCP servers are asked what they can do. Nothing was paid yet: what cannot be run at all is
/// refused here.
///
/// # Errors
/// `secrets_not_configured`, `mcp_unavailable`, `forbidden`, `function_not_allowed`, `person_required`, `agent_config_invalid`, and that the database does not answer.
pub async fn toolbox(asking: Asking, config: &Value) -> Result<Toolbox<'static>, ApiError> {
    for (what, declared) in declared(config)
        .map(|tool| ("tool", tool))
        .chain(mcp_servers(config).map(|server| ("MCP server", server)))
    {
        if asking.vault.is_none() && names_secrets(declared) {
            return Err(without_secrets(what, declared));
        }
    }
    let asking = Arc::new(asking);
    let outside = Arc::new(Outside {
        ways: asking.ways.clone(),
        secrets: AgentSecrets(asking.clone()),
    });
    let mut toolbox = Toolbox::default();
    let mut functions = Vec::new();
    for tool in declared(config) {
        let tool: Box<dyn Tool> = match Kind::of(tool) {
            None => continue,
            Some(Kind::Http) => Box::new(HttpTool::read(outside.clone(), tool, true)?),
            Some(Kind::Rpc) => {
                functions.push(tool);
                continue;
            }
            Some(Kind::SearchDocuments) => {
                Box::new(SearchDocuments::of(tool, asking.clone()).await?)
            }
            Some(Kind::StartWorkflow) => Box::new(StartWorkflow::of(tool, asking.clone())?),
        };
        add(&mut toolbox, tool)?;
    }
    for tool in rpc::tools(&functions, &asking).await? {
        add(&mut toolbox, tool)?;
    }
    let servers: Vec<Value> = mcp_servers(config).cloned().collect();
    for tool in mcp::tools(&outside, &servers).await? {
        add(&mut toolbox, tool)?;
    }
    Ok(toolbox)
}

fn declared(config: &Value) -> impl Iterator<Item = &Value> {
    list(config, "tools")
}

fn mcp_servers(config: &Value) -> impl Iterator<Item = &Value> {
    list(config, "mcp_servers")
}

fn list<'a>(config: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = config.get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn add(toolbox: &mut Toolbox<'static>, tool: Box<dyn Tool>) -> Result<(), ApiError> {
    toolbox
        .add(tool)
        .map_err(|same| misdeclared(format!("the agent has two tools called {}", same.0)))
}

fn without_secrets(what: &str, declared: &Value) -> ApiError {
    let name = declared.get("name").and_then(Value::as_str);
    ApiError::Agent {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "secrets_not_configured",
        message: format!(
            "the {what} {} of this agent uses secrets, and this service was given no master key to open them; the operator sets AIAS_MASTER_KEY",
            name.unwrap_or("http")
        ),
    }
}

fn misdeclared(message: String) -> ApiError {
    ApiError::Agent {
        status: StatusCode::CONFLICT,
        code: "agent_config_invalid",
        message,
    }
}

/// What a model reads of an error: what a client would.
fn told(error: impl Into<ApiError>) -> ToolError {
    let error = error.into();
    error.record();
    ToolError(error.body().message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_are_no_tools_of_ours() {
        for config in [
            json!({}),
            json!({"tools": null, "mcp_servers": []}),
            json!({"tools": [{"type": "function", "function": {"name": "look"}}, {"name": "see"}]}),
        ] {
            assert!(!has_tools(&config), "{config}");
        }
        assert!(has_tools(&json!({"tools": [{"type": "search_documents"}]})));
        assert!(has_tools(&json!({"mcp_servers": [{"name": "crm"}]})));
    }
}
