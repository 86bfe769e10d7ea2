//! `{"type": "rpc", "function", "name", "description"}`: calls a function of the product, where the operator lets agents call it.

use std::time::Duration;

use agents::declared::{self, Kind, declaration};
use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::told;
use crate::nodes::ai::request;
use crate::nodes::{Call, Effects, Failure, Stopped};
use crate::queue::{self, Agent, AgentAnswer, AgentFunction};

/// How long a function may take. It holds a connection, of which a worker has few, and less than a model's tools may take in all.
const TIMEOUT: Duration = Duration::from_secs(10);

// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const QUERY_CANCELED: &str = "57014";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const READ_ONLY: &str = "25006";
/// Arguments that are no values of their type, broken constraints, what a function raises.
const OWN_WORDS: [&str; 3] = ["22", "23", "P0001"];

struct Rpc<'a> {
    world: &'a Effects,
    call: &'a Call,
    declaration: llm::Tool,
    function: String,
}

/// What the node declares, or else its agent. The operator says what a model is told, unless the config does.
pub(super) async fn tools<'a>(
    world: &'a Effects,
    call: &'a Call,
    agent: Option<&Agent>,
) -> Result<Vec<Box<dyn Tool + 'a>>, Failure> {
    let Some(Value::Array(tools)) = request::field(&call.config, agent, "tools") else {
        return Ok(Vec::new());
    };
    let wanted = tools
        .iter()
        .filter(|tool| Kind::of(tool) == Some(Kind::Rpc));
    let wanted: Vec<(&Value, String)> = wanted
        .map(|tool| Ok((tool, function_of(tool)?.to_owned())))
        .collect::<Result<_, Failure>>()?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = wanted.iter().map(|(_, name)| name.clone()).collect();
    let known = world
        .queue
        .agent_functions(&names)
        .await
        .map_err(|error| Failure::database("look for the functions of an agent", &error))?;
    wanted
        .into_iter()
        .map(|(tool, name)| {
            let known = known.iter().find(|known| known.name == name);
            let known = known.ok_or_else(|| not_allowed(&name))?;
            Ok(Box::new(Rpc::new(world, call, tool, known)) as Box<dyn Tool>)
        })
        .collect()
}

fn function_of(tool: &Value) -> Result<&str, Failure> {
    declared::function_of(tool)
        .ok_or_else(|| Failure::invalid_config("an rpc tool names no function"))
}

fn not_allowed(name: &str) -> Failure {
    Failure::new(
        "function_not_allowed",
        format!("no agent may call the function {name}; the operator says which may be called"),
    )
}

impl<'a> Rpc<'a> {
    fn new(world: &'a Effects, call: &'a Call, tool: &Value, known: &AgentFunction) -> Self {
        let arguments = known.arguments.clone();
        Self {
            world,
            call,
            declaration: declaration(tool, &known.name, &known.description, arguments),
            function: known.name.clone(),
        }
    }

    async fn ask(&self, arguments: &Value) -> Result<String, ToolError> {
        let queue = &self.world.queue;
        let answer = queue
            .call_agent_function(self.call.claim, &self.function, arguments, TIMEOUT)
            .await;
        match answer {
            Ok(AgentAnswer::Rows { rows, has_more }) => {
                Ok(json!({"rows": rows, "has_more": has_more}).to_string())
            }
            Ok(AgentAnswer::Refused(why)) => Err(ToolError(why)),
            Ok(AgentAnswer::ClaimLost) => Err(told(Stopped::ClaimLost)),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// What is wrong with the arguments, or the function's own words, which it has for its callers anyway. What else the database says is in the log.
    fn refused(&self, error: &sqlx::Error) -> ToolError {
        if let Some(refusal) = queue::refusal(error) {
            return told(Failure::refused(refusal).into());
        }
        let said = error.as_database_error();
        let code = said.and_then(|said| said.code()).unwrap_or_default();
        match (&*code, said) {
            (QUERY_CANCELED, _) => {
                let seconds = TIMEOUT.as_secs();
                ToolError(format!("it took longer than {seconds} s and was stopped"))
            }
            (INSUFFICIENT_PRIVILEGE, _) => {
                ToolError::new("whoever started this execution may not do this")
            }
            (READ_ONLY, _) => ToolError::new("this function may only read, and tried to write"),
            (code, Some(said)) if OWN_WORDS.iter().any(|class| code.starts_with(class)) => {
                ToolError(said.message().to_owned())
            }
            _ => told(Failure::database("call a function", error).into()),
        }
    }
}

impl Tool for Rpc<'_> {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.ask(&asked.arguments).boxed()
    }
}
