//! The chore that sends mails.

use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;
use lettre::message::Mailbox;
use reqwest::Url;
use tokio::time::Instant;

use super::render::UnknownTemplate;
use super::retry::{ATTEMPTS, again};
use super::{
    Fault, InvitationToken, MailSettings, Smtp, Templates, Undelivered, message, step_message,
};
use crate::background::{Chore, Turn};
use crate::backoff::Backoff;
use crate::queue::{Mail, MailOutcome, Queue, is_refused_content};

/// Mails of one turn; all are sent at the same time, each over a connection of its own.
const BATCH: usize = 8;
/// How long a record is tried again while the database is away. Together with a sending it is shorter than the lease, so nobody else has the mail yet.
const RECORD: Duration = Duration::from_secs(20);
/// How long a claimed mail stays with a worker that says nothing.
const LEASE: Duration = Duration::from_secs(Smtp::LONGEST.as_secs() + 2 * RECORD.as_secs());

/// What a mail of a step is made by: not a template of ours, but the step itself.
const BY_A_STEP: &str = "workflow";

/// Templates of ours whose link is the frontend itself: there is nothing to be accepted, so they carry no token.
const WITHOUT_A_TOKEN: [&str; 1] = ["limit"];

/// Sends what is due.
pub struct MailSender {
    queue: Queue,
    templates: Templates,
    smtp: Smtp,
    from: Mailbox,
    app: Url,
}

/// A mail that was dealt with.
struct Tried {
    outcome: MailOutcome,
    /// What keeps all mails from going, if that is it.
    trouble: Option<Undelivered>,
}

impl MailSender {
    /// # Errors
    /// When a template does not parse.
    pub fn new(queue: Queue, settings: MailSettings) -> anyhow::Result<Self> {
        Ok(Self {
            queue,
            templates: Templates::new().context("a mail template cannot be read")?,
            smtp: Smtp::new(settings.server),
            from: settings.from,
            app: settings.app,
        })
    }

    /// Sends one mail and records what became of it.
    ///
    /// # Errors
    /// What concerns all mails: the database, the mail server.
    async fn send(&self, mail: &Mail) -> anyhow::Result<()> {
        let Tried { outcome, trouble } = self.try_to_send(mail).await?;
        metrics::counter!("aias_worker_mails_total", "outcome" => outcome.as_str()).increment(1);
        let (tenant, id) = (mail.key.tenant_id, mail.key.id);
        if let MailOutcome::Dead { error } = &outcome {
            tracing::warn!(%tenant, mail = %id, attempt = mail.attempt, error, "a mail will never go");
        }
        self.record_until_answered(mail, &outcome).await?;
        match trouble {
            None => Ok(()),
            Some(trouble) => Err(anyhow::anyhow!(trouble.cause).context(trouble.told)),
        }
    }

    async fn try_to_send(&self, mail: &Mail) -> anyhow::Result<Tried> {
        let now = self.queue.now();
        if mail.expires_at.is_some_and(|end| end <= now) {
            return Ok(Tried::to(MailOutcome::Dropped {
                reason: "it was over before the mail could go".to_owned(),
            }));
        }
        // A mail that kills its workers is claimed again and again.
        if mail.attempt > ATTEMPTS {
            return Ok(Tried::to(MailOutcome::Dead {
                error: format!("given up after {ATTEMPTS} attempts without an answer"),
            }));
        }
        if mail.template == BY_A_STEP {
            let message = match step_message(mail, &self.from) {
                Ok(message) => message,
                Err(error) => return Ok(Tried::to(MailOutcome::Dead { error })),
            };
            return Ok(match self.smtp.send(&message).await {
                Ok(()) => Tried::to(MailOutcome::Sent),
                Err(undelivered) => self.not_delivered(mail, undelivered),
            });
        }
        if WITHOUT_A_TOKEN.contains(&mail.template.as_str()) {
            let rendered =
                self.templates
                    .render(&mail.template, &mail.variables, self.app.as_str())?;
            let message = match message(mail, &rendered, &self.from) {
                Ok(message) => message,
                Err(error) => return Ok(Tried::to(MailOutcome::Dead { error })),
            };
            return Ok(match self.smtp.send(&message).await {
                Ok(()) => Tried::to(MailOutcome::Sent),
                Err(undelivered) => self.not_delivered(mail, undelivered),
            });
        }
        let token = InvitationToken::new().context("there are no random numbers")?;
        let rendered =
            match self
                .templates
                .render(&mail.template, &mail.variables, &token.link(&self.app))
            {
                Ok(rendered) => rendered,
                // A worker of a later release may come by.
                Err(error) if error.is::<UnknownTemplate>() => {
                    return Ok(Tried::to(self.again(mail, error.to_string())));
                }
                Err(error) => return Err(error),
            };
        let message = match message(mail, &rendered, &self.from) {
            Ok(message) => message,
            Err(error) => return Ok(Tried::to(MailOutcome::Dead { error })),
        };
        if !self.queue.mail_token(mail.key, &token.hash()).await? {
            return Ok(Tried::to(MailOutcome::Dropped {
                reason: "nobody waits for it any more".to_owned(),
            }));
        }
        let Err(undelivered) = self.smtp.send(&message).await else {
            return Ok(Tried::to(MailOutcome::Sent));
        };
        let undelivered = Undelivered {
            told: token.redact(&undelivered.told),
            cause: token.redact(&undelivered.cause),
            ..undelivered
        };
        Ok(self.not_delivered(mail, undelivered))
    }

    /// What becomes of a mail that did not go.
    fn not_delivered(&self, mail: &Mail, undelivered: Undelivered) -> Tried {
        tracing::debug!(mail = %mail.key.id, attempt = mail.attempt, cause = undelivered.cause, "a mail did not go");
        match undelivered.fault {
            Fault::Permanent => Tried::to(MailOutcome::Dead {
                error: undelivered.told,
            }),
            Fault::Passing => Tried::to(self.again(mail, undelivered.told)),
            Fault::Server => Tried {
                outcome: self.again(mail, undelivered.told.clone()),
                trouble: Some(undelivered),
            },
        }
    }

    fn again(&self, mail: &Mail, error: String) -> MailOutcome {
        again(mail.attempt, error, self.queue.now(), rand::random())
    }

    /// Repeats the record while the database is away: a mail that went and is not known to have gone goes twice.
    async fn record_until_answered(&self, mail: &Mail, outcome: &MailOutcome) -> sqlx::Result<()> {
        let begun = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            match self.queue.record_mail(mail.key, outcome).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    tracing::debug!(mail = %mail.key.id, "a mail's lease was lost, or nobody waits for it any more");
                    return Ok(());
                }
                Err(error) if is_refused_content(&error) || begun.elapsed() > RECORD => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(backoff.wait(rand::random())).await,
            }
        }
    }
}

impl Tried {
    const fn to(outcome: MailOutcome) -> Self {
        Self {
            outcome,
            trouble: None,
        }
    }
}

impl Chore for MailSender {
    const NAME: &'static str = "send_mails";
    const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let mails = self.queue.claim_mails(BATCH, LEASE).await?;
        if mails.is_empty() {
            let due_in = self.queue.next_mail_due().await?;
            return Ok(Turn::Idle { due_in });
        }
        // One that fails does not keep the others from being recorded.
        let all = join_all(mails.iter().map(|mail| self.send(mail))).await;
        all.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(Turn::More)
    }
}
