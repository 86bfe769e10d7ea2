use serde_json::Value;
use uuid::Uuid;

use super::{Child, Queue};
use crate::nodes::Call;

impl Queue {
    /// Starts an execution that a step's model asked for; the same one when the call is repeated. `place` says which of the step's calls it is.
    ///
    /// # Errors
    /// What the database answered: a refusal when the plan has no executions left, or the input is too large.
    pub async fn start_workflow(
        &self,
        call: &Call,
        place: &str,
        workflow: Uuid,
        input: &Value,
    ) -> sqlx::Result<Child> {
        let key = call.claim.key;
        let item = call.place.item.and_then(|item| i32::try_from(item).ok());
        let row = sqlx::query!(
            r#"select held as "held!", started_id, refusal from queue.start_workflow($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
            key.tenant_id,
            key.execution_id,
            call.claim.fencing_token,
            &call.node_id,
            item.unwrap_or(-1),
            i32::try_from(call.attempt).unwrap_or(i32::MAX),
            place,
            workflow,
            input,
        )
        .fetch_one(&self.pool)
        .await;
        let row = self.note("start_workflow", row)?;
        Ok(match (row.held, row.refusal, row.started_id) {
            (false, _, _) => Child::ClaimLost,
            (true, Some(code), _) => Child::Refused(code),
            (true, None, Some(started)) => Child::Started(started),
            (true, None, None) => {
                return Err(sqlx::Error::Protocol(
                    "queue.start_workflow neither started nor refused".to_owned(),
                ));
            }
        })
    }
}
