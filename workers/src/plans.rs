//! Plans of workflow versions. A version never changes, so its plan is read once.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;
use workflow::Plan;

use crate::queue::{Job, Queue, is_refused_content};

/// A plan as it is run.
#[derive(Debug)]
pub struct LoadedPlan {
    pub plan: Arc<Plan>,
    pub tenant_name: Arc<str>,
}

/// Why there is no plan.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlanError {
    #[error("the workflow version was deleted")]
    Missing,
    #[error("this worker cannot read the plan: {0}")]
    Unreadable(String),
    /// Try again.
    #[error("the database does not answer")]
    Database(#[source] Arc<sqlx::Error>),
}

/// The plans in use.
#[derive(Clone)]
pub struct Plans {
    queue: Queue,
    cache: Cache<(Uuid, Uuid, i32), Arc<LoadedPlan>>,
}

impl Plans {
    pub fn new(queue: Queue) -> Self {
        let cache = Cache::builder()
            .max_capacity(1_000)
            // The plan would be good for ever; the tenant's name beside it may change.
            .time_to_live(Duration::from_secs(300))
            .build();
        Self { queue, cache }
    }

    /// # Errors
    /// See [`PlanError`].
    pub async fn get(&self, job: &Job) -> Result<Arc<LoadedPlan>, PlanError> {
        let tenant = job.claim.key.tenant_id;
        let key = (tenant, job.workflow_id, job.workflow_version);
        let load = async {
            let stored = self
                .queue
                .plan(tenant, job.workflow_id, job.workflow_version)
                .await
                .map_err(|error| match is_refused_content(&error) {
                    true => PlanError::Unreadable(error.to_string()),
                    false => PlanError::Database(Arc::new(error)),
                })?
                .ok_or(PlanError::Missing)?;
            let plan: Plan = serde_json::from_value(stored.plan)
                .map_err(|error| PlanError::Unreadable(error.to_string()))?;
            Ok(Arc::new(LoadedPlan {
                plan: Arc::new(plan),
                tenant_name: stored.tenant_name.into(),
            }))
        };
        self.cache
            .try_get_with(key, load)
            .await
            .map_err(|error: Arc<PlanError>| (*error).clone())
    }
}
