use uuid::Uuid;

use super::{Agent, Queue};

/// What there is of a listing that a step names.
#[derive(Debug, Clone)]
pub enum FoundListing {
    Agent(Agent),
    /// `listing_not_found`, `listing_suspended` or `listing_not_purchased`.
    Refused(String),
}

impl Queue {
    /// The agent of a listing of the marketplace, for a tenant that has bought it by now.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn listed_agent(&self, tenant: Uuid, slug: &str) -> sqlx::Result<FoundListing> {
        let found = sqlx::query!(
            "select listing_id, model, config, refusal from queue.listed_agent($1, $2)",
            tenant,
            slug,
        )
        .fetch_one(&self.pool)
        .await;
        let row = self.note("listed_agent", found)?;
        Ok(match (row.listing_id, row.model, row.config) {
            (Some(id), Some(model), Some(config)) if row.refusal.is_none() => {
                FoundListing::Agent(Agent {
                    id,
                    version: 0,
                    is_listed: true,
                    model,
                    config,
                })
            }
            _ => FoundListing::Refused(
                row.refusal
                    .unwrap_or_else(|| "listing_not_found".to_owned()),
            ),
        })
    }
}
