//! A model by script, and tools made of closures.

use std::collections::VecDeque;

use agents::{Asked, Model, Tool, ToolError, Toolbox};
use futures::FutureExt;
use futures::future::BoxFuture;
use llm::{ChatRequest, Completion, FinishReason, Message, ToolCall, Usage};
use serde_json::json;

/// Says its lines, and keeps what it was asked and told.
#[derive(Default)]
pub struct Scripted {
    lines: VecDeque<Result<Completion, &'static str>>,
    pub requests: Vec<ChatRequest>,
    pub went_on: Vec<u32>,
}

impl Scripted {
    pub fn new(lines: impl IntoIterator<Item = Result<Completion, &'static str>>) -> Self {
        Self {
            lines: lines.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The results that the model was told before its last answer: `name: text`, with an exclamation mark before an error.
    pub fn told(&self) -> Vec<String> {
        let messages = self.requests.last().map(|request| &request.messages);
        let told = messages
            .into_iter()
            .flatten()
            .filter_map(|message| match message {
                Message::Tool {
                    name,
                    content,
                    is_error,
                    ..
                } => {
                    let mark = if *is_error { "!" } else { "" };
                    Some(format!("{mark}{name}: {content}"))
                }
                _ => None,
            });
        told.collect()
    }
}

impl Model for Scripted {
    type Error = &'static str;

    async fn answer(&mut self, _: u32, request: &ChatRequest) -> Result<Completion, Self::Error> {
        self.requests.push(request.clone());
        self.lines.pop_front().expect("a line for each round")
    }

    async fn goes_on(&mut self, round: u32, _: &Completion) -> Result<(), Self::Error> {
        self.went_on.push(round);
        Ok(())
    }
}

/// An answer that took 10 tokens and gave 1.
pub fn says(text: &str) -> Result<Completion, &'static str> {
    Ok(Completion {
        text: text.to_owned(),
        data: None,
        tool_calls: Vec::new(),
        model: "openai/x".to_owned(),
        provider: "openai".to_owned(),
        finish_reason: FinishReason::Stop,
        usage: Usage {
            input_tokens: 10,
            output_tokens: 1,
            ..Usage::default()
        },
        attempts: 1,
    })
}

/// The same with calls of tools: name and arguments.
pub fn asks(calls: &[(&str, &str)]) -> Result<Completion, &'static str> {
    let mut completion = says("")?;
    completion.tool_calls = calls
        .iter()
        .enumerate()
        .map(|(index, (name, arguments))| ToolCall {
            id: format!("call_{index}"),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
            signature: None,
        })
        .collect();
    Ok(completion)
}

type Body = dyn Fn(Asked) -> BoxFuture<'static, Result<String, ToolError>> + Send + Sync;

struct Closure {
    declaration: llm::Tool,
    body: Box<Body>,
}

impl Tool for Closure {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        (self.body)(asked.clone())
    }
}

pub fn declared(name: &str) -> llm::Tool {
    llm::Tool::from_json(&json!({ "name": name })).expect("a name is enough")
}

pub fn tool<F>(name: &str, body: impl Fn(Asked) -> F + Send + Sync + 'static) -> Box<dyn Tool>
where
    F: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    Box::new(Closure {
        declaration: declared(name),
        body: Box::new(move |asked| body(asked).boxed()),
    })
}

/// The toolbox with one more.
pub fn with<F>(
    mut toolbox: Toolbox<'static>,
    name: &str,
    body: impl Fn(Asked) -> F + Send + Sync + 'static,
) -> Toolbox<'static>
where
    F: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    toolbox.add(tool(name, body)).expect("another name");
    toolbox
}

/// One that says what it was given.
pub fn echo() -> Toolbox<'static> {
    with(Toolbox::default(), "echo", |asked| async move {
        Ok(asked.arguments.to_string())
    })
}

pub fn request() -> ChatRequest {
    ChatRequest::new("openai/x").user("Go.")
}
