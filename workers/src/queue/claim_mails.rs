use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::time::from_database;
use super::{Queue, interval};

/// A claimed mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub key: MailKey,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The same for every try, so that a receiver can tell a repetition.
    pub idempotency_key: String,
    pub template: String,
    pub recipient: String,
    pub variables: Value,
    /// When sending makes no sense any more.
    pub expires_at: Option<Timestamp>,
}

/// A claim on a mail. Every call about it shows the fencing token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailKey {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub fencing_token: i64,
}

impl Queue {
    /// Takes up to `most` due mails for `lease`.
    ///
    /// # Errors
    /// What the database answered; then nothing is claimed, or only until the lease ends.
    pub async fn claim_mails(&self, most: usize, lease: Duration) -> sqlx::Result<Vec<Mail>> {
        let rows = sqlx::query!(
            r#"select tenant_id as "tenant_id!", id as "id!", fencing_token as "fencing_token!", attempt as "attempt!",
                      idempotency_key as "idempotency_key!", template as "template!", recipient as "recipient!",
                      variables as "variables!", expires_at, clock_timestamp() as "database_time!"
                 from queue.claim_mails($1, $2, $3)"#,
            &*self.worker,
            i32::try_from(most).unwrap_or(i32::MAX),
            interval(lease),
        )
        .fetch_all(&self.pool)
        .await;
        let rows = self.note("claim_mails", rows)?;
        if let Some(row) = rows.last() {
            self.clock.learn(from_database(row.database_time));
        }
        let mails = rows.into_iter().map(|row| Mail {
            key: MailKey {
                tenant_id: row.tenant_id,
                id: row.id,
                fencing_token: row.fencing_token,
            },
            attempt: u32::try_from(row.attempt).unwrap_or(1),
            idempotency_key: row.idempotency_key,
            template: row.template,
            recipient: row.recipient,
            variables: row.variables,
            expires_at: row.expires_at.map(from_database),
        });
        Ok(mails.collect())
    }
}
