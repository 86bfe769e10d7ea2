//! What this service asks as its own login, before there is a caller: three functions of schema `edge`, and no table.
//!
//! Anybody can make it ask, with keys and names made up. So together these questions use at most half of the pool, and the other half
//! is left to the transactions of those who are somebody.

use uuid::Uuid;

use super::{Database, not_the_callers_fault};
use crate::auth::KeyHash;
use crate::error::ApiError;
use crate::hosts::{DomainName, TenantAtHost};

impl Database {
    /// The claims of a good key, JSON; None when it is unknown, revoked or expired.
    ///
    /// A statement of its own, not a part of the caller's transaction: it is asked before anybody may begin one, and what it writes down
    /// (the time of last use) must stay when that transaction is rolled back, or may not write.
    pub(crate) async fn authenticate_key(
        &self,
        hash: &KeyHash,
    ) -> Result<Option<String>, ApiError> {
        let _turn = self.questions.acquire().await;
        sqlx::query_scalar!(
            r#"select edge.authenticate_key($1)::text as "claims""#,
            hash.bytes()
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| not_the_callers_fault(error, "asking for an API key"))
    }

    pub(crate) async fn tenant_of_host(
        &self,
        host: &DomainName,
        base_domain: Option<&DomainName>,
    ) -> Result<Option<TenantAtHost>, ApiError> {
        let _turn = self.questions.acquire().await;
        sqlx::query_as!(
            TenantAtHost,
            r#"
            select t.tenant_id as "id!", t.name as "name!", t.subdomain as "subdomain!"
              from edge.tenant_of_host($1, $2) t
            "#,
            host.as_str(),
            base_domain.map(DomainName::as_str)
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| not_the_callers_fault(error, "asking for the tenant of a host"))
    }

    pub(crate) async fn domain_is_served(
        &self,
        domain: &DomainName,
        base_domain: Option<&DomainName>,
    ) -> Result<bool, ApiError> {
        let _turn = self.questions.acquire().await;
        sqlx::query_scalar!(
            r#"select edge.domain_is_served($1, $2) as "is_served!""#,
            domain.as_str(),
            base_domain.map(DomainName::as_str)
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| not_the_callers_fault(error, "asking whether a domain is served"))
    }

    /// Has changes of these executions notified for the next minute.
    pub(crate) async fn watch_executions(&self, executions: &[Uuid]) -> Result<(), sqlx::Error> {
        sqlx::query!("select edge.watch_executions($1)", executions)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
