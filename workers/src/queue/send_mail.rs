use jiff::Timestamp;
use uuid::Uuid;

use super::time::from_database;
use super::{Claim, Queue};

/// A mail of a step, as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMail {
    pub to: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
}

/// A mail that the outbox has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedMail {
    pub id: Uuid,
    pub accepted_at: Timestamp,
}

impl Queue {
    /// Puts a mail into the outbox, once for each step of an execution, and for each item of one that has several. `None` when the claim is no longer good.
    ///
    /// # Errors
    /// A [refusal](super::refusal) when the tenant has mailed too much; otherwise what the database answered.
    pub async fn send_mail(
        &self,
        claim: Claim,
        node: &str,
        item: Option<u32>,
        mail: &StepMail,
    ) -> sqlx::Result<Option<AcceptedMail>> {
        let accepted = sqlx::query!(
            r#"select mail_id as "mail_id!", accepted_at as "accepted_at!" from queue.send_mail($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
            claim.key.tenant_id,
            claim.key.execution_id,
            claim.fencing_token,
            node,
            &mail.to,
            mail.subject,
            mail.text,
            mail.html,
            item.and_then(|item| i32::try_from(item).ok()),
        )
        .fetch_optional(&self.pool)
        .await;
        let accepted = self.note("send_mail", accepted)?;
        Ok(accepted.map(|row| AcceptedMail {
            id: row.mail_id,
            accepted_at: from_database(row.accepted_at),
        }))
    }
}
