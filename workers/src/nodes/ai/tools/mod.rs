//! The tools of an agent that are run here, beside the functions that it only declares: `{"type": "http", ...}`.

mod credentials;
mod http;
mod mcp;
mod prefix;
mod rpc;
mod search_documents;
mod start_workflow;

use agents::{Limits, MOST_ROUNDS, ToolError, Toolbox};
use llm::Tool;
use serde_json::{Value, json};

use self::http::HttpTool;
use self::search_documents::SearchDocuments;
use self::start_workflow::StartWorkflow;
use super::request;
use crate::nodes::{Call, Effects, Failure, Stopped};
use crate::queue::Agent;

/// The types of tools that are run here. Any other is a function whose calls are the output of the step.
const BUILT_IN: [&str; 4] = ["http", "rpc", "search_documents", "start_workflow"];

pub(super) fn is_built_in(tool: &Value) -> bool {
    BUILT_IN.contains(&kind(tool))
}

fn kind(tool: &Value) -> &str {
    tool.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What `max_rounds` says, the node's before the agent's.
pub(super) fn limits(node: &Value, agent: Option<&Agent>) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    if let Some(value) = request::field(node, agent, "max_rounds") {
        limits.rounds = request::whole_number(value)
            .filter(|rounds| *rounds <= MOST_ROUNDS)
            .ok_or_else(|| {
                Failure::invalid_config(format!("max_rounds is not between 1 and {MOST_ROUNDS}"))
            })?;
    }
    Ok(limits)
}

/// The tools that this step's model may have run. Those of MCP servers are asked for now.
pub(super) async fn toolbox<'a>(
    world: &'a Effects,
    call: &'a Call,
    agent: Option<&Agent>,
) -> Result<Toolbox<'a>, Stopped> {
    let mut toolbox = built_in(world, call, agent)?;
    for tool in rpc::tools(world, call, agent).await? {
        add(&mut toolbox, tool)?;
    }
    for tool in mcp::tools(world, call, agent).await? {
        add(&mut toolbox, tool)?;
    }
    Ok(toolbox)
}

fn built_in<'a>(
    world: &'a Effects,
    call: &'a Call,
    agent: Option<&Agent>,
) -> Result<Toolbox<'a>, Failure> {
    let mut toolbox = Toolbox::default();
    // A workflow names secrets in nodes of kind `http` and nowhere else, so that whoever reads one sees where they go. Agents are read apart.
    let may_name_secrets = call.config.get("tools").is_none_or(Value::is_null);
    let Some(Value::Array(tools)) = request::field(&call.config, agent, "tools") else {
        return Ok(toolbox);
    };
    for tool in tools {
        match kind(tool) {
            "http" => {
                let tool = HttpTool::read(world, call, tool, may_name_secrets)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            "search_documents" => {
                let tool = SearchDocuments::read(world, call, tool, agent)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            "start_workflow" => {
                let tool = StartWorkflow::read(world, call, tool)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            _ => {}
        }
    }
    Ok(toolbox)
}

fn add<'a>(toolbox: &mut Toolbox<'a>, tool: Box<dyn agents::Tool + 'a>) -> Result<(), Failure> {
    toolbox
        .add(tool)
        .map_err(|same| Failure::invalid_config(format!("there are two tools called {}", same.0)))
}

/// What a model is told of a tool: in the words of its config where there are some.
fn declaration(tool: &Value, name: &str, description: &str, parameters: Value) -> Tool {
    let text = |field: &str, otherwise: &str| {
        let text = tool.get(field).and_then(Value::as_str);
        text.unwrap_or(otherwise).to_owned()
    };
    Tool {
        name: text("name", name),
        description: text("description", description),
        parameters,
    }
}

/// What has stopped a tool, for its model.
fn told(stopped: Stopped) -> ToolError {
    match stopped {
        Stopped::Failed(failure) => {
            let body = failure
                .details
                .as_ref()
                .and_then(|details| details.get("body"));
            ToolError(match body.and_then(Value::as_str) {
                Some(body) if !body.is_empty() => format!("{}\n{body}", failure.message),
                _ => failure.message,
            })
        }
        // Nobody reads this: the next round finds out the same.
        Stopped::ClaimLost => ToolError::new("this step runs elsewhere by now"),
    }
}

fn anything() -> Value {
    json!({"type": "object", "additionalProperties": true})
}
