//! What this service asks as its own login, before there is a caller or where there never is one: a few functions of schema `edge`, and no table.
//!
//! Anybody can make it ask, with keys, names and addresses made up. So together these questions use at most half of the pool, and the other half
//! is left to the transactions of those who are somebody. What is watched is said by one task, for all who watch, and needs no turn.

use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Database, not_the_callers_fault, refused_or_our_fault};
use crate::auth::KeyHash;
use crate::error::ApiError;
use crate::hosts::{DomainName, TenantAtHost};
use crate::model_calls::{CapturedCall, EndedCall, KeptAnswer, LastBlock};

/// A request to a workflow's own address.
pub(crate) struct WebhookCall<'a, Input> {
    pub token: &'a str,
    pub input: &'a Input,
    /// What is signed.
    pub body: &'a [u8],
    pub idempotency_key: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub signed_at: Option<&'a str>,
    pub github_signature: Option<&'a str>,
}

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

    /// Writes down what calls of models took, and gives back what is left of blocks. Each counts once, however often it is said.
    pub(crate) async fn end_model_calls(
        &self,
        calls: &[&EndedCall],
        last_blocks: &[LastBlock],
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select edge.end_model_calls($1, $2)",
            Json(calls) as _,
            Json(last_blocks) as _
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps answers of models, for tenants that want it.
    pub(crate) async fn keep_answers(&self, answers: &[KeptAnswer]) -> Result<(), sqlx::Error> {
        sqlx::query!("select edge.keep_answers($1)", Json(answers) as _)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps events of Stripe, whose signatures were checked. All or none of them; those that are there already are left as they are.
    ///
    /// Nobody but Stripe makes it ask, and by few statements at a time: it needs no turn.
    pub(crate) async fn keep_stripe_events(&self, bodies: &[String]) -> Result<(), sqlx::Error> {
        sqlx::query!("select edge.keep_stripe_events($1)", bodies)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps what was asked and answered, for tenants that want it. It is masked.
    pub(crate) async fn keep_contents(&self, calls: &[CapturedCall]) -> Result<(), sqlx::Error> {
        sqlx::query!("select edge.keep_contents($1)", Json(calls) as _)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Starts the workflow at an address. The database checks the signature: its secret never leaves it.
    pub(crate) async fn call_webhook<Input: Serialize + Sync>(
        &self,
        call: &WebhookCall<'_, Input>,
    ) -> Result<Uuid, ApiError> {
        let _turn = self.questions.acquire().await;
        sqlx::query_scalar!(
            r#"select edge.call_webhook($1, $2, $3, $4, $5, $6, $7) as "execution_id!""#,
            call.token,
            Json(call.input) as _,
            call.body,
            call.idempotency_key,
            call.signature,
            call.signed_at,
            call.github_signature,
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| refused_or_our_fault(error, "starting a workflow by its webhook"))
    }
}
