//! A session with one server.

use std::collections::HashMap;

use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, JsonObject, Tool};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;

use super::super::credentials::Credentials;
use super::trouble;
use crate::{Failure, Outside, Redaction, Secrets, http};

/// Bytes of one answer.
const MOST_BYTES: usize = 1024 * 1024;

/// Ends its session when it is dropped.
pub(super) struct Server {
    pub name: String,
    /// The headers of all its requests are drawn up once: a secret that is set anew counts from the next step.
    session: RunningService<RoleClient, ()>,
    pub redaction: Redaction,
}

impl Server {
    pub(super) async fn connect<S: Secrets>(
        outside: &Outside<S>,
        name: &str,
        config: &Value,
    ) -> Result<Self, S::Error> {
        let credentials = Credentials::read(&outside.ways.engine, config, true)?;
        let (mut filled, redaction) = credentials.fill(outside).await?;
        filled["url"] = config.get("url").cloned().unwrap_or_default();
        let (client, url, headers) = http::target(&outside.ways.clients, &filled, &redaction)?;
        let headers: HashMap<_, _> = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name?, value)))
            .collect();
        let settings = StreamableHttpClientTransportConfig::with_uri(url.as_str())
            .custom_headers(headers)
            .max_sse_event_size(MOST_BYTES)
            .max_json_response_size(MOST_BYTES);
        let transport = StreamableHttpClientTransport::with_client(client, settings);
        let session = rmcp::serve_client((), transport).await.map_err(|error| {
            let why = trouble::of_start(&error);
            let message = format!("the MCP server {name} {}", redaction.text(&why));
            Failure::new("mcp_unavailable", message).retryable(true)
        })?;
        Ok(Self {
            name: name.to_owned(),
            session,
            redaction,
        })
    }

    pub(super) async fn list(&self) -> Result<Vec<Tool>, String> {
        let listed = self.session.list_all_tools().await;
        listed.map_err(|error| self.redaction.text(&trouble::of_call(&error)).into_owned())
    }

    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
    ) -> Result<CallToolResult, String> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = self.session.call_tool(params).await;
        result.map_err(|error| self.redaction.text(&trouble::of_call(&error)).into_owned())
    }
}
