use serde_json::Value;
use uuid::Uuid;

use super::Queue;

/// An agent of a tenant: a model with a role to play.
#[derive(Debug, Clone)]
pub struct Agent {
    pub id: Uuid,
    /// `provider/model`
    pub model: String,
    /// `temperature`, `max_tokens`, `system_prompt`, `output_schema`, `tools`
    pub config: Value,
}

impl Queue {
    /// `None` when the tenant has no such agent.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn agent(&self, tenant: Uuid, agent: Uuid) -> sqlx::Result<Option<Agent>> {
        let found = sqlx::query_as!(
            Agent,
            r#"select id as "id!", model as "model!", config as "config!" from queue.agent($1, $2)"#,
            tenant,
            agent,
        )
        .fetch_optional(&self.pool)
        .await;
        self.note("agent", found)
    }
}
