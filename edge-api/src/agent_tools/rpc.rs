use std::sync::Arc;

use agents::declared::{declaration, function_of};
use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Asking, misdeclared, told};
use crate::database::FunctionAnswer;
use crate::error::ApiError;

/// Calls a function of the product, where the operator lets agents call it, with the caller's claims.
struct Rpc {
    asking: Arc<Asking>,
    declaration: llm::Tool,
    function: String,
}

/// The operator says what a model is told of them, unless the config does.
///
/// # Errors
/// `function_not_allowed`; `person_required`: who asks is an API key, or a person of several tenants.
pub(super) async fn tools(
    declared: &[&Value],
    asking: &Arc<Asking>,
) -> Result<Vec<Box<dyn Tool>>, ApiError> {
    if declared.is_empty() {
        return Ok(Vec::new());
    }
    let names = declared
        .iter()
        .map(|tool| function_of(tool).map(str::to_owned));
    let names: Vec<String> = names
        .collect::<Option<_>>()
        .ok_or_else(|| misdeclared("an rpc tool of the agent names no function".to_owned()))?;
    let mut transaction = asking.session.begin_as_service().await?;
    let known = sqlx::query!(
        r#"select name as "name!", description as "description!", arguments as "arguments!" from edge.agent_functions($1, $2)"#,
        asking.tenant_id,
        &names,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let tools = declared.iter().zip(names).filter_map(|(tool, name)| {
        // The database has refused if one is missing.
        let known = known.iter().find(|known| known.name == name)?;
        let arguments = known.arguments.clone();
        Some(Box::new(Rpc {
            asking: asking.clone(),
            declaration: declaration(tool, &name, &known.description, arguments),
            function: name,
        }) as Box<dyn Tool>)
    });
    Ok(tools.collect())
}

impl Rpc {
    async fn ask(&self, arguments: &Value) -> Result<String, ToolError> {
        let Asking {
            session, tenant_id, ..
        } = &*self.asking;
        let answer = session.call_agent_function(*tenant_id, &self.function, arguments);
        match answer.await.map_err(told)? {
            FunctionAnswer::Rows { rows, has_more } => {
                Ok(json!({"rows": rows, "has_more": has_more}).to_string())
            }
            FunctionAnswer::Refused(why) => Err(ToolError(why)),
        }
    }
}

impl Tool for Rpc {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.ask(&asked.arguments).boxed()
    }
}
