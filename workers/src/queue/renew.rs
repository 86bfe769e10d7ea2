use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Claim, ExecutionKey, Queue, interval};

/// What is still held, and whether its cancellation was asked for.
#[derive(Debug, Default)]
pub struct Renewed(HashMap<ExecutionKey, bool>);

impl Renewed {
    /// `None` when it is no longer held.
    pub fn cancel_requested(&self, key: ExecutionKey) -> Option<bool> {
        self.0.get(&key).copied()
    }
}

impl Queue {
    /// Prolongs all leases in one call.
    ///
    /// # Errors
    /// What the database answered; the leases may or may not be prolonged then.
    pub async fn renew(&self, held: &[Claim], lease: Duration) -> sqlx::Result<Renewed> {
        let held: Vec<Value> = held
            .iter()
            .map(|claim| {
                json!({
                    "tenant_id": claim.key.tenant_id,
                    "execution_id": claim.key.execution_id,
                    "fencing_token": claim.fencing_token,
                })
            })
            .collect();
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", cancel_requested as "cancel_requested!"
                 from queue.renew($1, $2, $3)"#,
            &*self.worker,
            Value::Array(held),
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("renew", rows)?;
        let answer = rows.into_iter().map(|row| {
            (
                ExecutionKey {
                    tenant_id: row.tenant_id,
                    execution_id: row.execution_id,
                },
                row.cancel_requested,
            )
        });
        Ok(Renewed(answer.collect()))
    }
}
