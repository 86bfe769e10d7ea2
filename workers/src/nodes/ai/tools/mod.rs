//! The tools of an agent that are run here, beside the functions that it only declares: `{"type": "http", ...}`.

mod rpc;
mod search_documents;
mod secrets;
mod start_workflow;

use std::sync::Arc;

use agents::declared::Kind;
use agents::{Limits, MOST_ROUNDS, ToolError, Toolbox};
use outbound::Outside;
use outbound::tools::{HttpTool, mcp};
use serde_json::Value;

use self::search_documents::SearchDocuments;
use self::secrets::StepSecrets;
use self::start_workflow::StartWorkflow;
use super::request;
use crate::nodes::{Call, Effects, Failure, Stopped};
use crate::queue::Agent;

/// Whether it is run here. The calls of any other are the output of the step.
pub(super) fn is_built_in(tool: &Value) -> bool {
    Kind::of(tool).is_some()
}

/// What `max_rounds` says, the node's before the agent's.
pub(super) fn limits(node: &Value, agent: Option<&Agent>) -> Result<Limits, Failure> {
    Limits::with_rounds(request::field(node, agent, "max_rounds")).ok_or_else(|| {
        Failure::invalid_config(format!("max_rounds is not between 1 and {MOST_ROUNDS}"))
    })
}

/// The tools that this step's model may have run. Those of MCP servers are asked for now.
pub(super) async fn toolbox<'a>(
    world: &'a Effects,
    call: &'a Call,
    agent: Option<&Agent>,
) -> Result<Toolbox<'a>, Stopped> {
    let secrets = StepSecrets {
        opener: &world.secrets,
        claim: call.claim,
    };
    let ways = world.ways.clone();
    let outside = Arc::new(Outside { ways, secrets });
    let mut toolbox = built_in(world, call, agent, &outside)?;
    for tool in rpc::tools(world, call, agent).await? {
        add(&mut toolbox, tool)?;
    }
    let servers = agent
        .and_then(|agent| agent.config.get("mcp_servers"))
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    for tool in mcp::tools(&outside, servers).await? {
        add(&mut toolbox, tool)?;
    }
    Ok(toolbox)
}

fn built_in<'a>(
    world: &'a Effects,
    call: &'a Call,
    agent: Option<&Agent>,
    outside: &Arc<Outside<StepSecrets<'a>>>,
) -> Result<Toolbox<'a>, Failure> {
    let mut toolbox = Toolbox::default();
    // A workflow names secrets in nodes of kind `http` and nowhere else, so that whoever reads one sees where they go. Agents are read apart.
    let may_name_secrets = call.config.get("tools").is_none_or(Value::is_null);
    let Some(Value::Array(tools)) = request::field(&call.config, agent, "tools") else {
        return Ok(toolbox);
    };
    for tool in tools {
        match Kind::of(tool) {
            Some(Kind::Http) => {
                let tool = HttpTool::read(Arc::clone(outside), tool, may_name_secrets)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            Some(Kind::SearchDocuments) => {
                let tool = SearchDocuments::read(world, call, tool, agent)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            Some(Kind::StartWorkflow) => {
                let tool = StartWorkflow::read(world, call, tool)?;
                add(&mut toolbox, Box::new(tool))?;
            }
            // They are asked for together.
            Some(Kind::Rpc) | None => {}
        }
    }
    Ok(toolbox)
}

fn add<'a>(toolbox: &mut Toolbox<'a>, tool: Box<dyn agents::Tool + 'a>) -> Result<(), Failure> {
    toolbox
        .add(tool)
        .map_err(|same| Failure::invalid_config(format!("there are two tools called {}", same.0)))
}

/// What has stopped a tool, for its model.
fn told(stopped: Stopped) -> ToolError {
    match stopped {
        Stopped::Failed(failure) => outbound::told(failure.message, failure.details.as_ref()),
        // Nobody reads this: the next round finds out the same.
        Stopped::ClaimLost => ToolError::new("this step runs elsewhere by now"),
    }
}
