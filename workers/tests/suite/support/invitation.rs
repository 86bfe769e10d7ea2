//! An invitation on its way to somebody, as the people of a tenant see it.

use sqlx::{PgPool, Row};
use tests::seed::{ALPHA, ALPHA_OWNER, STRANGER};
use uuid::Uuid;

use super::Stage;

/// One that Alpha's owner sent, to the stranger or to somebody else.
pub struct Invitation<'a> {
    stage: &'a Stage,
    pub id: Uuid,
}

/// Where its mail stands.
#[derive(Debug, PartialEq)]
pub struct Mail {
    pub status: String,
    pub attempt: i32,
    pub waits: bool,
    pub error: Option<String>,
}

impl<'a> Invitation<'a> {
    pub async fn send(stage: &'a Stage) -> Self {
        Self::send_to(stage, STRANGER.email).await
    }

    pub async fn send_to(stage: &'a Stage, email: &str) -> Self {
        let mut owner = ALPHA_OWNER.actor().begin(&stage.pool).await.unwrap();
        let id = sqlx::query_scalar("select id from public.invite_member($1, $2, 'editor')")
            .bind(ALPHA)
            .bind(email)
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        owner.commit().await.unwrap();
        Self { stage, id }
    }

    fn pool(&self) -> &PgPool {
        &self.stage.pool
    }

    pub async fn mail(&self) -> Mail {
        let row = sqlx::query(
            "select status, attempt, status = 'queued' and run_at > now(), error from queue.mails where subject_id = $1",
        )
        .bind(self.id)
        .fetch_one(self.pool())
        .await
        .unwrap();
        Mail {
            status: row.get(0),
            attempt: row.get(1),
            waits: row.get(2),
            error: row.get(3),
        }
    }

    /// Waits until its mail has this status after this attempt, and nobody holds it.
    pub async fn until_mail(&self, status: &str, attempt: i32) -> Mail {
        let what: &'static str = match status {
            "queued" => {
                "select status = 'queued' and claimed_by is null and error is not null from queue.mails where subject_id = $1"
            }
            _ => "select status <> 'queued' from queue.mails where subject_id = $1",
        };
        assert!(
            self.stage.becomes_true(what, self.id).await,
            "{:?}",
            self.mail().await
        );
        let mail = self.mail().await;
        assert_eq!(
            (mail.status.as_str(), mail.attempt),
            (status, attempt),
            "{mail:?}"
        );
        mail
    }

    /// Its next attempt need not wait any longer.
    pub async fn mail_is_due(&self) {
        sqlx::query("update queue.mails set run_at = now() where subject_id = $1")
            .bind(self.id)
            .execute(self.pool())
            .await
            .unwrap();
        sqlx::query("select pg_notify('aias_mails', '')")
            .execute(self.pool())
            .await
            .unwrap();
    }

    /// Its mail goes once more, as if it had never gone.
    pub async fn mail_goes_again(&self) {
        sqlx::query("update queue.mails set status = 'queued', finished_at = null, error = null where subject_id = $1")
            .bind(self.id)
            .execute(self.pool())
            .await
            .unwrap();
        self.mail_is_due().await;
    }

    /// `sent_at is not null` and `delivery_error`, as the tenant's owner reads them.
    pub async fn as_the_owner_sees_it(&self) -> (bool, Option<String>) {
        let mut owner = ALPHA_OWNER.actor().begin(self.pool()).await.unwrap();
        sqlx::query_as(
            "select sent_at is not null, delivery_error from public.invitations where id = $1",
        )
        .bind(self.id)
        .fetch_one(&mut *owner)
        .await
        .unwrap()
    }

    /// The stranger accepts by a token; answers the role that comes of it.
    pub async fn accept(&self, token: &str) -> sqlx::Result<String> {
        let mut stranger = STRANGER.actor().begin(self.pool()).await?;
        let role = sqlx::query_scalar("select role from public.accept_invitation($1)")
            .bind(token)
            .fetch_one(&mut *stranger)
            .await?;
        stranger.commit().await?;
        Ok(role)
    }
}
