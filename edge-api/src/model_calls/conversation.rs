//! A request to an agent whose tools run here: its model is asked, what it asks for is run, and it is asked again until it answers.
//!
//! All of it is one future, or one stream, of whoever waits for the answer. When the client leaves it is dropped: the call upstream is closed and
//! paid as far as it came, and no tool is begun any more. What the client brings of its own tools is the client's to run: when the model asks for
//! one of them, the answer is that.

use std::time::Duration;

use agents::{Ended, Limits, Toolbox, converse};
use axum::http::StatusCode;
use futures::channel::mpsc;
use futures::future::{FutureExt, ready};
use futures::stream::{self, BoxStream, StreamExt};
use llm::{ChatEvent, ChatRequest, Completion};
use tracing::Instrument;

use super::rounds::Rounds;
use super::telling::{Telling, Told};
use crate::error::ApiError;
use crate::request_id;

/// How long all rounds and tools may take together: as long as a step of a workflow, and as one call of a model.
const LONGEST: Duration = Duration::from_secs(300);

pub struct Conversation {
    pub(super) rounds: Rounds,
    pub(super) request: ChatRequest,
    pub(super) toolbox: Toolbox<'static>,
    pub(super) limits: Limits,
}

impl Conversation {
    /// The answer, with what all rounds took.
    ///
    /// # Errors
    /// What a round is refused or fails for, the rounds before it being paid; `too_many_rounds`, `timeout`.
    pub async fn answer(self) -> Result<Completion, ApiError> {
        let Self {
            mut rounds,
            request,
            toolbox,
            limits,
        } = self;
        let clients: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let is_text = request.output_schema.is_none();
        let conversing = converse(&mut rounds, request, &toolbox, limits);
        let conversation = tokio::time::timeout(LONGEST, conversing)
            .await
            .map_err(|_| ApiError::Timeout)??;
        if conversation.ended == Ended::OutOfRounds {
            return Err(ApiError::Agent {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                code: "too_many_rounds",
                message: format!(
                    "the model was asked {} times and still asks for tools; the agent's max_rounds says how often it may be",
                    conversation.rounds
                ),
            });
        }
        let mut answer = conversation.completion;
        answer.usage = conversation.usage;
        // One that asks for both is told nothing of its agent's before the client's have answered: it asks for them again.
        answer
            .tool_calls
            .retain(|call| clients.contains(&call.name));
        if is_text {
            answer.text = rounds.with_what_was_said(&answer.text);
        }
        Ok(answer)
    }

    /// The model that answers first, once it does; and what is said, as it comes. It ends with `Finished`, which has what all rounds took, or with an
    /// error.
    ///
    /// # Errors
    /// What the first round fails for.
    pub async fn open(
        mut self,
    ) -> Result<(String, BoxStream<'static, Result<ChatEvent, ApiError>>), ApiError> {
        let (telling, told) = mpsc::channel(0);
        self.rounds.telling = Some(Telling::new(telling.clone(), &self.request));
        let is_text = self.request.output_schema.is_none();
        let running = async move {
            let ended = self.answer().await;
            super::telling::end(telling, ended, is_text).await;
        };
        let running = match request_id::current() {
            Some(id) => request_id::scope(id, running).left_future(),
            None => running.right_future(),
        };
        let running = running.in_current_span().into_stream();
        let mut said = stream::select(told, running.filter_map(|()| ready(None))).boxed();
        match said.next().await {
            Some(Ok(Told::Begun(model))) => {
                let events = said.filter_map(|told| {
                    ready(match told {
                        Ok(Told::Event(event)) => Some(Ok(event)),
                        Ok(Told::Begun(_)) => None,
                        Err(error) => Some(Err(error)),
                    })
                });
                Ok((model, events.boxed()))
            }
            Some(Err(error)) => Err(error),
            _ => Err(ApiError::Internal(anyhow::anyhow!(
                "a conversation that has not begun has something to say"
            ))),
        }
    }
}
