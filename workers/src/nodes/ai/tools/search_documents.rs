//! `{"type": "search_documents", "name", "description", "limit"}`: looks up what the agent's documents say.
//!
//! Where they have vectors, the question gets one too. That may fail or be refused without harm: then they are searched by their words.

mod question;

use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{declaration, told};
use crate::nodes::{Call, Effects, Failure};
use crate::queue::Agent;

/// Pieces that a search answers where nothing else is said.
const USUAL: i32 = 5;

pub(super) struct SearchDocuments<'a> {
    world: &'a Effects,
    call: &'a Call,
    declaration: llm::Tool,
    agent: Uuid,
    limit: i32,
}

impl<'a> SearchDocuments<'a> {
    pub(super) fn read(
        world: &'a Effects,
        call: &'a Call,
        tool: &Value,
        agent: Option<&Agent>,
    ) -> Result<Self, Failure> {
        let agent = agent.ok_or_else(|| {
            Failure::invalid_config("search_documents needs an agent, whose documents it searches")
        })?;
        let limit = tool.get("limit").and_then(Value::as_i64);
        let parameters = json!({
            "type": "object",
            "properties": {"query": {"type": "string", "description": "A question, or the words to look for"}},
            "required": ["query"],
            "additionalProperties": false,
        });
        let description = "Finds the passages of your documents that fit a question best.";
        Ok(Self {
            world,
            call,
            declaration: declaration(tool, "search_documents", description, parameters),
            agent: agent.id,
            limit: limit
                .and_then(|limit| limit.try_into().ok())
                .unwrap_or(USUAL),
        })
    }

    async fn search(&self, arguments: &Value) -> Result<String, ToolError> {
        let Some(query) = arguments.get("query").and_then(Value::as_str) else {
            return Err(ToolError::new("query is not text"));
        };
        let tenant = self.call.claim.key.tenant_id;
        let vector = question::vector(self.world, self.call, self.agent, query).await;
        let found = self
            .world
            .queue
            .search_documents(tenant, self.agent, query, self.limit, vector.as_deref())
            .await
            .map_err(|error| told(Failure::database("search the documents", &error).into()))?;
        let shown = found.iter().map(
            |passage| json!({"title": passage.title, "position": passage.position, "text": passage.content}),
        );
        Ok(Value::Array(shown.collect()).to_string())
    }
}

impl Tool for SearchDocuments<'_> {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.search(&asked.arguments).boxed()
    }
}
