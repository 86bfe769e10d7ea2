use std::collections::HashMap;
use std::time::Duration;

use super::{Claim, ExecutionKey, Queue, Signal, interval};

/// What came for executions that are still held.
#[derive(Debug, Default)]
pub struct Renewed(HashMap<ExecutionKey, News>);

/// What a holder is to know.
#[derive(Debug, Clone, Default)]
pub struct News {
    pub cancel_requested: bool,
    pub pause_requested: bool,
    pub signals: Vec<Signal>,
}

impl Renewed {
    /// `None` when it is no longer held.
    pub fn news(&self, key: ExecutionKey) -> Option<&News> {
        self.0.get(&key)
    }
}

impl FromIterator<(ExecutionKey, News)> for Renewed {
    fn from_iter<T: IntoIterator<Item = (ExecutionKey, News)>>(held: T) -> Self {
        Self(held.into_iter().collect())
    }
}

impl Queue {
    /// Prolongs leases in one call, and asks what came for them.
    ///
    /// # Errors
    /// What the database answered; the leases may or may not be prolonged then.
    pub async fn renew(&self, held: &[Claim], lease: Duration) -> sqlx::Result<Renewed> {
        let tenants: Vec<_> = held.iter().map(|claim| claim.key.tenant_id).collect();
        let executions: Vec<_> = held.iter().map(|claim| claim.key.execution_id).collect();
        let tokens: Vec<_> = held.iter().map(|claim| claim.fencing_token).collect();
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", execution_id as "execution_id!", cancel_requested as "cancel_requested!",
                      pause_requested as "pause_requested!", signals::text as "signals"
                 from queue.renew($1, $2, $3, $4, $5)"#,
            &*self.worker,
            &tenants,
            &executions,
            &tokens,
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("renew", rows)?;
        let answer = rows.into_iter().map(|row| {
            let key = ExecutionKey {
                tenant_id: row.tenant_id,
                execution_id: row.execution_id,
            };
            // What cannot be read is told again by the next claim, which ends the execution for it.
            let signals = row.signals.as_deref().map(serde_json::from_str);
            let news = News {
                cancel_requested: row.cancel_requested,
                pause_requested: row.pause_requested,
                signals: signals.and_then(Result::ok).unwrap_or_default(),
            };
            (key, news)
        });
        Ok(answer.collect())
    }
}
