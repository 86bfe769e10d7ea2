use std::sync::Arc;

use agents::{Asked, Tool, ToolError, declared};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Asking, misdeclared, told};
use crate::error::ApiError;

/// Starts the one workflow that it names, as the caller, and does not wait for its end.
pub(super) struct StartWorkflow {
    asking: Arc<Asking>,
    declared: declared::StartWorkflow,
}

impl StartWorkflow {
    pub(super) fn of(tool: &Value, asking: Arc<Asking>) -> Result<Self, ApiError> {
        let declared = declared::StartWorkflow::read(tool).ok_or_else(|| {
            misdeclared("a start_workflow tool of the agent names no workflow".to_owned())
        })?;
        Ok(Self { asking, declared })
    }

    async fn start(&self, asked: &Asked) -> Result<String, ToolError> {
        // A call of a model starts one execution, however often it is tried.
        let key = format!(
            "agent:{}:{}.{}",
            self.asking.conversation, asked.round, asked.index
        );
        let mut transaction = self.asking.session.begin().await.map_err(told)?;
        let started = sqlx::query!(
            r#"select id as "id!", tenant_id as "tenant_id!" from public.start_execution($1, $2, $3)"#,
            self.declared.workflow,
            asked.arguments,
            key,
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(told)?;
        // Whoever may write this agent could name a workflow of another tenant, in which the caller is a member, too: it is undone.
        if started.tenant_id != self.asking.tenant_id {
            return Err(ToolError::new("there is no such workflow"));
        }
        transaction.commit().await.map_err(told)?;
        Ok(json!({"execution_id": started.id}).to_string())
    }
}

impl Tool for StartWorkflow {
    fn declaration(&self) -> &llm::Tool {
        &self.declared.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.start(asked).boxed()
    }
}
