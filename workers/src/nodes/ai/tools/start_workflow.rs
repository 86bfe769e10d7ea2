//! `{"type": "start_workflow", "workflow_id", "name", "description", "input_schema"}`: starts this one workflow, and does not wait for its end.

use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{anything, declaration, told};
use crate::nodes::call_workflow::refused;
use crate::nodes::{Call, Effects, Failure, Stopped};
use crate::queue::{self, Child};

pub(super) struct StartWorkflow<'a> {
    world: &'a Effects,
    call: &'a Call,
    declaration: llm::Tool,
    workflow: Uuid,
}

impl<'a> StartWorkflow<'a> {
    pub(super) fn read(world: &'a Effects, call: &'a Call, tool: &Value) -> Result<Self, Failure> {
        let workflow = tool
            .get("workflow_id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Failure::invalid_config("workflow_id is not a UUID"))?;
        let input = tool.get("input_schema").filter(|schema| schema.is_object());
        let parameters = input.cloned().unwrap_or_else(anything);
        let description = "Starts a workflow with these arguments as its input, and answers the id of its execution.";
        Ok(Self {
            world,
            call,
            declaration: declaration(tool, "start_workflow", description, parameters),
            workflow,
        })
    }

    async fn start(&self, asked: &Asked) -> Result<String, Stopped> {
        // What the model calls it may change from one attempt at the same round to the next; where it stands does not.
        let place = format!("{}.{}", asked.round, asked.index);
        let started = self
            .world
            .queue
            .start_workflow(self.call, &place, self.workflow, &asked.arguments)
            .await;
        match started {
            Ok(Child::Started(execution)) => Ok(json!({"execution_id": execution}).to_string()),
            Ok(Child::Refused(code)) => Err(refused(code, self.workflow).into()),
            Ok(Child::ClaimLost) => Err(Stopped::ClaimLost),
            Err(error) => Err(match queue::refusal(&error) {
                Some(refusal) => Failure::refused(refusal).into(),
                None => Failure::database("start a workflow", &error).into(),
            }),
        }
    }
}

impl Tool for StartWorkflow<'_> {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        async move { self.start(asked).await.map_err(told) }.boxed()
    }
}
