use std::time::Duration;

use serde_json::Value;

use super::{Claim, Queue};

/// A function that agents may call: what a model is told of it.
#[derive(Debug, Clone)]
pub struct AgentFunction {
    pub name: String,
    pub description: String,
    /// A JSON schema.
    pub arguments: Value,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentAnswer {
    Rows {
        rows: Value,
        /// There are others, which are not told.
        has_more: bool,
    },
    /// A sentence for the model.
    Refused(String),
    ClaimLost,
}

impl Queue {
    /// Those of these functions that agents may call.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn agent_functions(&self, names: &[String]) -> sqlx::Result<Vec<AgentFunction>> {
        let found = sqlx::query_as!(
            AgentFunction,
            r#"select name as "name!", description as "description!", arguments as "arguments!" from queue.agent_functions($1)"#,
            names,
        )
        .fetch_all(&self.pool)
        .await;
        self.note("agent_functions", found)
    }

    /// Calls a function for a model, as the person who started the execution.
    ///
    /// # Errors
    /// What the database answered, which may be the function's own refusal.
    pub async fn call_agent_function(
        &self,
        claim: Claim,
        name: &str,
        arguments: &Value,
        timeout: Duration,
    ) -> sqlx::Result<AgentAnswer> {
        let answered = self.try_call(claim, name, arguments, timeout).await;
        // What a function refuses says nothing about the database.
        if matches!(&answered, Err(sqlx::Error::Database(_))) {
            return answered;
        }
        self.note("call_agent_function", answered)
    }

    async fn try_call(
        &self,
        claim: Claim,
        name: &str,
        arguments: &Value,
        timeout: Duration,
    ) -> sqlx::Result<AgentAnswer> {
        // One snapshot: whom it is called for, and what that person sees, are of the same instant.
        let mut transaction = self
            .functions
            .begin_with("begin isolation level repeatable read")
            .await?;
        sqlx::query!(
            "select set_config('statement_timeout', $1, true)",
            format!("{}ms", timeout.as_millis()),
        )
        .fetch_one(&mut *transaction)
        .await?;
        let row = sqlx::query!(
            r#"select held as "held!", answer, has_more, refusal from queue.call_agent_function($1, $2, $3, $4, $5)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            name,
            arguments,
        )
        .fetch_one(&mut *transaction)
        .await?;
        let answer = match (row.held, row.refusal, row.answer) {
            (false, _, _) => AgentAnswer::ClaimLost,
            (true, Some(why), _) => AgentAnswer::Refused(why),
            (true, None, Some(rows)) => AgentAnswer::Rows {
                rows,
                has_more: row.has_more.unwrap_or_default(),
            },
            (true, None, None) => {
                return Err(sqlx::Error::Protocol(
                    "queue.call_agent_function neither answered nor refused".to_owned(),
                ));
            }
        };
        // A refusal leaves nothing, even that of an answer which is too long for the model.
        if matches!(answer, AgentAnswer::Rows { .. }) {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(answer)
    }
}
