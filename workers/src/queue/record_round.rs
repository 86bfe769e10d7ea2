use serde_json::Value;
use uuid::Uuid;

use super::Queue;
use crate::nodes::Call;

/// One round of a step that asks a model several times. It owns what it says: it is written down even if the step is let go meanwhile.
#[derive(Debug, Clone)]
pub struct Round {
    tenant_id: Uuid,
    execution_id: Uuid,
    node_id: String,
    item: i32,
    attempt: i32,
    /// What was set aside for it.
    reservation: Uuid,
    /// What it took, in the form of `queue.record`.
    usage: Value,
}

impl Round {
    pub fn of(call: &Call, reservation: Uuid, usage: Value) -> Self {
        let item = call.place.item.and_then(|item| i32::try_from(item).ok());
        Self {
            tenant_id: call.claim.key.tenant_id,
            execution_id: call.claim.key.execution_id,
            node_id: call.node_id.clone(),
            item: item.unwrap_or(-1),
            attempt: i32::try_from(call.attempt).unwrap_or(i32::MAX),
            reservation,
            usage,
        }
    }
}

impl Queue {
    /// Writes down what a round took. Saying it again changes nothing.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn record_round(&self, round: &Round) -> sqlx::Result<()> {
        let done = sqlx::query!(
            "select queue.record_round($1, $2, $3, $4, $5, $6, $7)",
            round.tenant_id,
            round.execution_id,
            &round.node_id,
            round.item,
            round.attempt,
            round.reservation,
            &round.usage,
        )
        .execute(&self.pool)
        .await;
        self.note("record_round", done).map(|_| ())
    }
}
