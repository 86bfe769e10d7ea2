use std::time::Duration;

use uuid::Uuid;

use super::{Queue, interval};

/// A claimed check of a tenant's domain.
#[derive(Debug, Clone)]
pub struct DomainCheck {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub domain: String,
    /// What the domain has to show. No secret: it is to be published.
    pub verification_token: String,
    pub fencing_token: i64,
}

impl Queue {
    /// Takes up to `most` due checks for `lease`.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim_domain_checks(
        &self,
        most: usize,
        lease: Duration,
    ) -> sqlx::Result<Vec<DomainCheck>> {
        let checks = sqlx::query_as!(
            DomainCheck,
            r#"select tenant_id as "tenant_id!", id as "id!", domain as "domain!",
                      verification_token as "verification_token!", fencing_token as "fencing_token!"
                 from queue.claim_domain_checks($1, $2, $3)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        self.note("claim_domain_checks", checks)
    }
}
