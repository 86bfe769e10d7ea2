use serde_json::Value;
use uuid::Uuid;

use super::Queue;
use crate::nodes::Call;

/// What embedding a step's question took. It owns what it says: it is written down even if the step is let go meanwhile.
#[derive(Debug, Clone)]
pub struct EmbeddedQuery {
    tenant_id: Uuid,
    execution_id: Uuid,
    node_id: String,
    item: i32,
    attempt: i32,
    /// What was set aside for it.
    reservation: Uuid,
    /// `None` when it took nothing.
    usage: Option<Value>,
}

impl EmbeddedQuery {
    pub fn of(call: &Call, reservation: Uuid, usage: Option<Value>) -> Self {
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
    /// Writes down what embedding a question took, and gives back what was set aside beyond that. Saying it again changes nothing.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn record_query_embedding(&self, query: &EmbeddedQuery) -> sqlx::Result<()> {
        let done = sqlx::query!(
            "select queue.record_query_embedding($1, $2, $3, $4, $5, $6, $7)",
            query.tenant_id,
            query.execution_id,
            &query.node_id,
            query.item,
            query.attempt,
            query.reservation,
            query.usage,
        )
        .execute(&self.pool)
        .await;
        self.note("record_query_embedding", done).map(|_| ())
    }
}
