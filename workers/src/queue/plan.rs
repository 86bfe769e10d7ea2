use serde_json::Value;
use uuid::Uuid;

use super::Queue;

/// The plan of a version as it is stored, and the name of its tenant.
#[derive(Debug, Clone)]
pub struct StoredPlan {
    pub plan: Value,
    pub tenant_name: String,
}

impl Queue {
    /// `None` when the version or its tenant was deleted.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn plan(
        &self,
        tenant: Uuid,
        workflow: Uuid,
        version: i32,
    ) -> sqlx::Result<Option<StoredPlan>> {
        let stored = sqlx::query_as!(
            StoredPlan,
            r#"select plan as "plan!", tenant_name as "tenant_name!" from queue.plan($1, $2, $3)"#,
            tenant,
            workflow,
            version,
        )
        .fetch_optional(&self.pool)
        .await;
        self.note("plan", stored)
    }
}
