use serde_json::Value;
use uuid::Uuid;

use super::Queue;
use crate::nodes::Call;

/// What became of a call of another workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Child {
    /// This execution runs, or has run, for the step.
    Started(Uuid),
    /// The code of the reason why there is none.
    Refused(String),
    /// The claim is no longer good.
    ClaimLost,
}

impl Queue {
    /// Starts the execution that a step calls; the same one when the call is repeated.
    ///
    /// # Errors
    /// What the database answered: a refusal when the plan has no executions left, or the input is too large.
    pub async fn start_child(
        &self,
        call: &Call,
        workflow: Uuid,
        input: Option<&Value>,
    ) -> sqlx::Result<Child> {
        let key = call.claim.key;
        let item = call.place.item.and_then(|item| i32::try_from(item).ok());
        let row = sqlx::query!(
            r#"select held as "held!", child_id, refusal from queue.start_child($1, $2, $3, $4, $5, $6, $7, $8)"#,
            key.tenant_id,
            key.execution_id,
            call.claim.fencing_token,
            &call.node_id,
            item.unwrap_or(-1),
            workflow,
            input,
            call.given_up,
        )
        .fetch_one(&self.pool)
        .await;
        let row = self.note("start_child", row)?;
        Ok(match (row.held, row.refusal, row.child_id) {
            (false, _, _) => Child::ClaimLost,
            (true, Some(code), _) => Child::Refused(code),
            (true, None, Some(child)) => Child::Started(child),
            (true, None, None) => {
                return Err(sqlx::Error::Protocol(
                    "queue.start_child neither started nor refused".to_owned(),
                ));
            }
        })
    }
}
