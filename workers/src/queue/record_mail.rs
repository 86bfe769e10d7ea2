use jiff::Timestamp;

use super::time::to_database;
use super::{MailKey, Queue};

/// What became of one try to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server took it.
    Sent,
    /// It may go better later.
    Retry { error: String, at: Timestamp },
    /// It will never go.
    Dead { error: String },
    /// There was no reason to send it any more.
    Dropped { reason: String },
}

impl MailOutcome {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
            Self::Dropped { .. } => "dropped",
        }
    }

    /// What is kept beside it, for the people of the tenant.
    pub fn said(&self) -> Option<&str> {
        match self {
            Self::Sent => None,
            Self::Retry { error: text, .. }
            | Self::Dead { error: text }
            | Self::Dropped { reason: text } => Some(text),
        }
    }
}

impl Queue {
    /// Records a try. `false` when the lease was lost: nothing is written then.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn record_mail(&self, mail: MailKey, outcome: &MailOutcome) -> sqlx::Result<bool> {
        let retry_at = match outcome {
            MailOutcome::Retry { at, .. } => Some(to_database(*at)),
            _ => None,
        };
        let recorded = sqlx::query_scalar!(
            r#"select queue.record_mail($1, $2, $3, $4, $5, $6, $7) as "recorded!""#,
            &*self.worker,
            mail.tenant_id,
            mail.id,
            mail.fencing_token,
            outcome.as_str(),
            outcome.said(),
            retry_at,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("record_mail", recorded)
    }
}
