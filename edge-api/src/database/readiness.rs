use std::error::Error;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Database;
use crate::error::ApiError;

/// Why no request can be served yet.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the database does not answer")]
    Unreachable(#[source] anyhow::Error),
    #[error("the database has no tables and functions of this project")]
    NotMigrated,
    #[error("the database lets nobody call what this service calls")]
    NoPolicies,
    #[error("the database login of this service may not become authenticated")]
    MayNotBecomeAuthenticated,
}

impl NotReady {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "check that Postgres runs and that AIAS_DATABASE_URL names it",
            Self::NotMigrated => "apply migrations/",
            Self::NoPolicies => "apply policies/",
            Self::MayNotBecomeAuthenticated => {
                "connect as aias_edge, or grant authenticated to the login"
            }
        }
    }
}

impl From<NotReady> for ApiError {
    fn from(reason: NotReady) -> Self {
        Self::NotReady {
            message: reason.to_string(),
            hint: reason.hint(),
        }
    }
}

impl Database {
    /// Tells the log what is missing, once per reason, until requests can be served. The service starts all the same: its database may
    /// be starting too.
    pub async fn report_until_ready(self, stopping: CancellationToken) {
        let mut reported = String::new();
        loop {
            match self.readiness().await {
                Ok(()) => {
                    return tracing::info!("ready: the database answers and holds what is needed");
                }
                Err(reason) => {
                    let cause = reason
                        .source()
                        .map(|source| format!(" ({source})"))
                        .unwrap_or_default();
                    let sentence = format!("not ready: {reason}{cause}; {}", reason.hint());
                    if sentence != reported {
                        tracing::error!("{sentence}");
                        reported = sentence;
                    }
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
        }
    }

    /// Whether requests can be served: the database answers, holds what the routes call, and lets a caller and this login call it.
    pub async fn readiness(&self) -> Result<(), NotReady> {
        // Read from the catalog, which anybody may read, because the login has no right to look into the schemas themselves.
        let look = sqlx::query!(
            r#"
            with needed (name, caller) as (
              values ('public.start_execution', 'authenticated'), ('public.cancel_execution', 'authenticated'),
                     ('public.export_chunk', 'authenticated'), ('edge.authenticate_key', current_user),
                     ('edge.tenant_of_host', current_user), ('edge.domain_is_served', current_user),
                     ('edge.watch_executions', current_user)
            ), found as (
              select n.name, n.caller, f.oid
                from needed n
                join pg_catalog.pg_namespace s on s.nspname = split_part(n.name, '.', 1)
                join pg_catalog.pg_proc f on f.pronamespace = s.oid and f.proname = split_part(n.name, '.', 2)
            )
            select (select count(distinct name) from found) = (select count(*) from needed)
                     and exists (select from pg_catalog.pg_class t
                                  where t.relnamespace = 'public'::regnamespace and t.relname = 'execution_steps') as "migrated!",
                   coalesce((select pg_has_role(r.oid, 'member') from pg_catalog.pg_roles r where r.rolname = 'authenticated'), false)
                     as "may_become!",
                   (select bool_and(has_function_privilege(caller, oid, 'execute')) from found) as "policies"
            "#
        )
        .fetch_one(&self.pool);
        let seen = tokio::time::timeout(Duration::from_secs(2), look)
            .await
            .map_err(|_| NotReady::Unreachable(anyhow::anyhow!("no answer within 2 s")))?
            .map_err(|error| NotReady::Unreachable(error.into()))?;
        match seen {
            seen if !seen.migrated => Err(NotReady::NotMigrated),
            seen if !seen.may_become => Err(NotReady::MayNotBecomeAuthenticated),
            seen if seen.policies != Some(true) => Err(NotReady::NoPolicies),
            _ => Ok(()),
        }
    }
}
