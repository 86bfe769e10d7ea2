use serde_json::Value;
use uuid::Uuid;

use super::Queue;

/// An agent, a model with a role to play, in one of its versions: of the tenant, or of a listing that it has bought.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The listing's where it is one's.
    pub id: Uuid,
    /// 0 where it is a listing's: which one it is, is the seller's affair.
    pub version: i32,
    /// Whether it is a seller's. Then nothing of its config is shown to anybody.
    pub is_listed: bool,
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
                is_listed: false,
                model,
                config,
            }),
            _ => FoundAgent::NoSuchVersion,
        })
    }
}
