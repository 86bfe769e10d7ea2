//! Functions of the product that an agent's model has called for its caller.

use serde_json::Value;
use uuid::Uuid;

use super::caller_transaction::{CallerTransaction, Snapshots};
use super::{Access, CallerSession};
use crate::error::ApiError;
use crate::request_id;

/// What came of a call.
pub(crate) enum FunctionAnswer {
    Rows {
        rows: Value,
        /// There are others, which are not told.
        has_more: bool,
    },
    /// A sentence for the model.
    Refused(String),
}

impl CallerSession {
    /// Calls a function that agents may call, with arguments that a model wrote.
    ///
    /// In a task of its own, which is seen through: Postgres goes on with a statement whose client has left, so what it uses of the pool is counted
    /// until then. Together such calls use at most half of it.
    pub(crate) async fn call_agent_function(
        &self,
        tenant_id: Uuid,
        name: &str,
        arguments: &Value,
    ) -> Result<FunctionAnswer, ApiError> {
        let turn = self.database.functions.clone().acquire_owned().await;
        let (session, name, arguments) = (self.clone(), name.to_owned(), arguments.clone());
        let calling = async move {
            let _turn = turn;
            session.call(tenant_id, &name, &arguments).await
        };
        let task = match request_id::current() {
            Some(id) => tokio::spawn(request_id::scope(id, calling)),
            None => tokio::spawn(calling),
        };
        task.await.map_err(ApiError::internal)?
    }

    async fn call(
        &self,
        tenant_id: Uuid,
        name: &str,
        arguments: &Value,
    ) -> Result<FunctionAnswer, ApiError> {
        // For whom it is called, and what that person sees, are of the same instant.
        let mut transaction = CallerTransaction::begin_as_service(
            &self.database,
            &self.caller,
            Access::ReadWrite,
            Snapshots::One,
        )
        .await?;
        let row = sqlx::query!(
            r#"select answer, has_more, refusal from edge.call_agent_function($1, $2, $3)"#,
            tenant_id,
            name,
            arguments,
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(not_written)?;
        // A refusal leaves nothing, even that of an answer which is too long for the model.
        if let Some(why) = row.refusal {
            return Ok(FunctionAnswer::Refused(why));
        }
        transaction.commit().await?;
        Ok(FunctionAnswer::Rows {
            rows: row.answer.unwrap_or_default(),
            has_more: row.has_more.unwrap_or_default(),
        })
    }
}

/// That a function writes which the operator has allowed as one that reads is no surprise.
fn not_written(error: sqlx::Error) -> ApiError {
    const READ_ONLY: &str = "25006";
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(READ_ONLY) => ApiError::bad_request(
            "read_only",
            "this function may only read, and tried to write",
        ),
        _ => error.into(),
    }
}
