//! The tools of MCP servers, by streamable HTTP: `mcp_servers: [{name, url, headers?, auth?, allow?}]` in an agent's config.
//!
//! <https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http>

mod server;
mod tool;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use agents::Tool;
use futures::future::try_join_all;
use serde_json::Value;

use self::server::Server;
use self::tool::McpTool;
use crate::{Failure, Outside, Secrets};

/// How long a server may take to say what it can do.
const LISTING: Duration = Duration::from_secs(15);
/// Tools of one server. OpenAI takes as many of all.
const MOST_TOOLS: usize = 128;
/// Servers of one agent.
const MOST_SERVERS: usize = 16;

/// What an agent's servers can do and may be asked for. Their sessions last as long as the tools.
///
/// # Errors
/// `mcp_unavailable`, `invalid_config`, and what opening a secret fails for.
pub async fn tools<S: Secrets>(
    outside: &Outside<S>,
    servers: &[Value],
) -> Result<Vec<Box<dyn Tool>>, S::Error> {
    if servers.len() > MOST_SERVERS {
        let why = format!("there are more than {MOST_SERVERS} MCP servers");
        return Err(Failure::invalid_config(why).into());
    }
    let all = servers.iter().map(|config| of_server(outside, config));
    Ok(try_join_all(all).await?.into_iter().flatten().collect())
}

async fn of_server<S: Secrets>(
    outside: &Outside<S>,
    config: &Value,
) -> Result<Vec<Box<dyn Tool>>, S::Error> {
    let name = config
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let unavailable = |why: &str| {
        let message = format!("the MCP server {name} {why}");
        Failure::new("mcp_unavailable", message).retryable(true)
    };
    let listing = async {
        let server = Server::connect(outside, name, config).await?;
        let listed = server.list().await.map_err(|why| unavailable(&why))?;
        Ok::<_, S::Error>((server, listed))
    };
    let (server, listed) = match tokio::time::timeout(LISTING, listing).await {
        Ok(done) => done?,
        Err(_) => return Err(unavailable("does not say in time what it can do").into()),
    };
    let allow = config.get("allow").and_then(Value::as_array);
    let may_use = |tool: &rmcp::model::Tool| {
        allow.is_none_or(|allow| allow.iter().any(|name| name.as_str() == Some(&tool.name)))
    };
    let server = Arc::new(server);
    let tools: Vec<_> = listed
        .into_iter()
        .filter(may_use)
        .map(|tool| Box::new(McpTool::new(Arc::clone(&server), tool)) as Box<dyn Tool>)
        .collect();
    if tools.len() > MOST_TOOLS {
        let why = format!(
            "the MCP server {name} has {} tools and {MOST_TOOLS} can be used; name them in allow",
            tools.len()
        );
        return Err(Failure::invalid_config(why).into());
    }
    Ok(tools)
}
