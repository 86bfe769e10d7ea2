use std::sync::Arc;

use agents::{Asked, Tool, ToolError, declared};
use axum::http::StatusCode;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Asking, told};
use crate::error::ApiError;

/// Looks up what the agent's documents say, where the caller may read them.
pub(super) struct SearchDocuments {
    asking: Arc<Asking>,
    declared: declared::SearchDocuments,
}

impl SearchDocuments {
    /// # Errors
    /// `forbidden`: it would find nothing, whatever was asked.
    pub(super) async fn of(tool: &Value, asking: Arc<Asking>) -> Result<Self, ApiError> {
        let declared = declared::SearchDocuments::read(tool);
        let mut transaction = asking.session.clone().read_only().begin().await?;
        let may_read = sqlx::query_scalar!(
            r#"select exists (select from public.ai_agents where tenant_id = $1 and id = $2) as "may_read!""#,
            asking.tenant_id,
            asking.agent_id,
        )
        .fetch_one(&mut *transaction)
        .await?;
        if !may_read {
            return Err(ApiError::Agent {
                status: StatusCode::FORBIDDEN,
                code: "forbidden",
                message: format!(
                    "the tool {} of this agent looks into its documents as whoever asks it, and you may not read agents: that needs agents.read",
                    declared.declaration.name
                ),
            });
        }
        Ok(Self { asking, declared })
    }

    async fn search(&self, arguments: &Value) -> Result<String, ToolError> {
        let Some(query) = arguments.get("query").and_then(Value::as_str) else {
            return Err(ToolError::new("query is not text"));
        };
        let session = self.asking.session.clone().read_only();
        let mut transaction = session.begin().await.map_err(told)?;
        let found = sqlx::query!(
            r#"select title as "title!", position as "position!", content as "content!" from public.search_documents($1, $2, $3)"#,
            self.asking.agent_id,
            query,
            self.declared.limit,
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(told)?;
        let shown = found.iter().map(
            |passage| json!({"title": passage.title, "position": passage.position, "text": passage.content}),
        );
        Ok(Value::Array(shown.collect()).to_string())
    }
}

impl Tool for SearchDocuments {
    fn declaration(&self) -> &llm::Tool {
        &self.declared.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.search(&asked.arguments).boxed()
    }
}
