//! `{"type": "start_workflow", "workflow_id", "name", "description", "input_schema"}`: starts this one workflow, and does not wait for its end.

use std::time::Duration;

use agents::{Asked, Tool, ToolError, declared};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::told;
use crate::backoff::Backoff;
use crate::nodes::call_workflow::refused;
use crate::nodes::{Call, Effects, Failure, Stopped};
use crate::queue::{self, Child, is_refused_content};

const MOST_TRIES: usize = 5;

pub(super) struct StartWorkflow<'a> {
    world: &'a Effects,
    call: &'a Call,
    declaration: llm::Tool,
    workflow: Uuid,
}

impl<'a> StartWorkflow<'a> {
    pub(super) fn read(world: &'a Effects, call: &'a Call, tool: &Value) -> Result<Self, Failure> {
        let declared::StartWorkflow {
            declaration,
            workflow,
        } = declared::StartWorkflow::read(tool)
            .ok_or_else(|| Failure::invalid_config("workflow_id is not a UUID"))?;
        Ok(Self {
            world,
            call,
            declaration,
            workflow,
        })
    }

    async fn start(&self, asked: &Asked) -> Result<String, Stopped> {
        // What the model calls it may change from one attempt at the same round to the next; where it stands does not.
        let place = format!("{}.{}", asked.round, asked.index);
        match self.try_start(&place, &asked.arguments).await {
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

impl StartWorkflow<'_> {
    /// The call is safe to repeat, and a model that is told of a moment without the database would ask again, which is another call.
    async fn try_start(&self, place: &str, input: &Value) -> sqlx::Result<Child> {
        let start = || {
            self.world
                .queue
                .start_workflow(self.call, place, self.workflow, input)
        };
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        for _ in 1..MOST_TRIES {
            match start().await {
                Err(error) if queue::refusal(&error).is_none() && !is_refused_content(&error) => {
                    tracing::warn!(%error, "cannot start a workflow for a model");
                }
                answer => return answer,
            }
            tokio::time::sleep(backoff.wait(rand::random())).await;
        }
        start().await
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
