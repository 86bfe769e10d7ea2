use super::{MailKey, Queue};

impl Queue {
    /// Keeps the hash of the token that this sending is about to carry. `false` when nothing is to be sent: the lease is lost, or nobody waits
    /// for the mail any more.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn mail_token(&self, mail: MailKey, token_hash: &[u8]) -> sqlx::Result<bool> {
        let kept = sqlx::query_scalar!(
            r#"select queue.mail_token($1, $2, $3, $4) as "kept!""#,
            mail.tenant_id,
            mail.id,
            mail.fencing_token,
            token_hash,
        )
        .fetch_one(&self.pool)
        .await;
        self.note("mail_token", kept)
    }
}
