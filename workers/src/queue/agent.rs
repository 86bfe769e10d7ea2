use serde_json::Value;
use uuid::Uuid;

use super::Queue;

/// An agent of a tenant, a model with a role to play, in one of its versions.
#[derive(Debug, Clone)]
pub struct Agent {
    pub id: Uuid,
    pub version: i32,
    /// `provider/model`
    pub model: String,
    /// `temperature`, `max_tokens`, `system_prompt`, `output_schema`, `tools`
    pub config: Value,
}

/// What there is of an agent that a step names.
#[derive(Debug, Clone)]
pub enum FoundAgent {
    Agent(Agent),
    /// The agent is there, and has no such version.
    NoSuchVersion,
    /// The tenant has no such agent.
    NoSuchAgent,
}

impl Queue {
    /// The version that is in force where none is wanted.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn agent(
        &self,
        tenant: Uuid,
        agent: Uuid,
        version: Option<i32>,
    ) -> sqlx::Result<FoundAgent> {
        let found = sqlx::query!(
            r#"select id as "id!", version, model, config from queue.agent($1, $2, $3)"#,
            tenant,
            agent,
            version,
        )
        .fetch_optional(&self.pool)
        .await;
        let Some(row) = self.note("agent", found)? else {
            return Ok(FoundAgent::NoSuchAgent);
        };
        Ok(match (row.version, row.model, row.config) {
            (Some(version), Some(model), Some(config)) => FoundAgent::Agent(Agent {
                id: row.id,
                version,
                model,
                config,
            }),
            _ => FoundAgent::NoSuchVersion,
        })
    }
}
