//! What a client hears of a conversation while it is had: text, and calls of tools that are the client's.

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use llm::{ChatEvent, ChatRequest, Completion, Providers};

use super::heard::Heard;
use super::meter::Meter;
use crate::error::ApiError;

pub(super) enum Told {
    /// A model answers: `provider/model`.
    Begun(String),
    Event(ChatEvent),
}

pub(super) type Sender = mpsc::Sender<Result<Told, ApiError>>;

pub(super) struct Telling {
    sender: Sender,
    clients: Vec<String>,
    /// An answer that has to match a schema is that of the last round alone, and which one that is, is known at its end.
    is_text: bool,
    has_said: bool,
    is_new_round: bool,
}

/// Where somebody has left, the conversation is being dropped, too.
async fn tell(sender: &mut Sender, told: Result<Told, ApiError>) {
    let _ = sender.send(told).await;
}

/// The last that a client hears.
pub(super) async fn end(mut sender: Sender, ended: Result<Completion, ApiError>, is_text: bool) {
    let answer = match ended {
        Ok(answer) => answer,
        Err(error) => return tell(&mut sender, Err(error)).await,
    };
    if !is_text && !answer.text.is_empty() {
        tell(&mut sender, Ok(Told::Event(ChatEvent::Text(answer.text)))).await;
    }
    let finished = ChatEvent::Finished {
        reason: answer.finish_reason,
        usage: answer.usage,
    };
    tell(&mut sender, Ok(Told::Event(finished))).await;
}

impl Telling {
    pub fn new(sender: Sender, request: &ChatRequest) -> Self {
        Self {
            sender,
            clients: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            is_text: request.output_schema.is_none(),
            has_said: false,
            is_new_round: false,
        }
    }

    /// One round, which is told as it comes.
    pub async fn listen(
        &mut self,
        round: u32,
        request: &ChatRequest,
        providers: &Providers,
        meter: &mut Meter,
    ) -> Result<Completion, ApiError> {
        let stream = providers.chat(request).await;
        let mut stream = stream.map_err(|error| meter.failed(error))?;
        meter.answers(stream.model());
        let mut heard = Heard::nothing();
        stream.model().clone_into(&mut heard.answer.model);
        stream.provider().clone_into(&mut heard.answer.provider);
        if round == 1 {
            tell(
                &mut self.sender,
                Ok(Told::Begun(heard.answer.model.clone())),
            )
            .await;
        }
        self.is_new_round = round > 1;
        // Numbered among all of the round's, and among the client's.
        let mut numbers: Vec<Option<usize>> = Vec::new();
        while let Some(event) = stream.next().await {
            let event = event.map_err(|error| meter.failed(error))?;
            meter.observe(&event);
            heard.hears(&event);
            match event {
                ChatEvent::Text(text) if self.is_text => self.say(text).await,
                ChatEvent::Reasoning(_) => self.pass_on(event).await,
                ChatEvent::ToolCallStart {
                    id,
                    name,
                    signature,
                    ..
                } => {
                    let index = numbers.iter().flatten().count();
                    let is_clients = self.clients.contains(&name);
                    numbers.push(is_clients.then_some(index));
                    if is_clients {
                        let start = ChatEvent::ToolCallStart {
                            index,
                            id,
                            name,
                            signature,
                        };
                        self.pass_on(start).await;
                    }
                }
                ChatEvent::ToolCallArguments { index, json } => {
                    if let Some(&Some(index)) = numbers.get(index) {
                        self.pass_on(ChatEvent::ToolCallArguments { index, json })
                            .await;
                    }
                }
                _ => {}
            }
        }
        Ok(heard.answer)
    }

    async fn say(&mut self, text: String) {
        if std::mem::take(&mut self.is_new_round) && self.has_said {
            self.pass_on(ChatEvent::Text(super::rounds::BETWEEN.to_owned()))
                .await;
        }
        self.has_said = true;
        self.pass_on(ChatEvent::Text(text)).await;
    }

    async fn pass_on(&mut self, event: ChatEvent) {
        tell(&mut self.sender, Ok(Told::Event(event))).await;
    }
}
