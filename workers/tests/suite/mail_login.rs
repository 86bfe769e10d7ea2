//! Mail servers that want to know who sends, and what becomes of the password.

use std::fs::File;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::PgPool;

use crate::support::certificate::Certificate;
use crate::support::smtp::{Door, Encryption};
use crate::support::worker::{APP, Process, mails_by};
use crate::support::{Invitation, SmtpSink, Stage, Worker};

const PASSWORD: &str = "hush-7f3a";

#[sqlx::test(migrations = "../migrations")]
async fn a_password_opens_the_mail_server_and_is_not_logged(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start_with_login("aias", PASSWORD).await;
    let log = std::env::temp_dir().join(format!("aias-worker-log-{}", uuid::Uuid::now_v7()));
    let right = format!("smtp://aias:{PASSWORD}@{}", sink.address);
    let wrong = format!("smtp://aias:{PASSWORD}x@{}", sink.address);
    let invitation = Invitation::send(&stage).await;
    let start = |url: &str| {
        let variables = [
            ("AIAS_SMTP_URL", url),
            ("AIAS_MAIL_FROM", "no-reply@aias.example"),
            ("AIAS_APP_URL", APP),
            ("RUST_LOG", "trace"),
        ];
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        Process::logging_to(&stage, log, &variables)
    };

    let worker = start(&wrong);
    invitation.until_mail("queued", 1).await;
    drop(worker);
    // It is not the mail's fault, nor anything for the tenant's eyes.
    assert_eq!(
        invitation.as_the_owner_sees_it().await.1.as_deref(),
        Some("the mail server does not let the worker in")
    );

    invitation.mail_is_due().await;
    let worker = start(&right);
    invitation.until_mail("sent", 2).await;
    drop(worker);

    let logged = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(logged.contains("authentication failed"), "{logged}");
    let encoded = STANDARD.encode(format!("\0aias\0{PASSWORD}"));
    let token = sink.received()[0].token();
    for secret in [PASSWORD, encoded.as_str(), token.as_str()] {
        assert!(!logged.contains(secret), "{logged}");
    }
}

/// A server that cannot encrypt, or somebody in between who says so, gets neither the password nor the mail.
#[sqlx::test(migrations = "../migrations")]
async fn encryption_that_is_required_is_not_done_without(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start_with_login("aias", PASSWORD).await;
    let url = format!("smtp://aias:{PASSWORD}@{}?tls=required", sink.address);
    let worker = Worker::start_with(&stage, &[], |config| config.mail = Some(mails_by(&url)));
    let invitation = Invitation::send(&stage).await;
    invitation.until_mail("queued", 1).await;
    worker.stop().await;
    let commands = sink.commands();
    assert!(commands.contains(&"EHLO".to_owned()), "{commands:?}");
    assert!(
        !commands
            .iter()
            .any(|command| command == "AUTH" || command == "MAIL"),
        "{commands:?}"
    );
}

/// Both ways to encrypt, with a certificate that the machine trusts, and with one that it does not.
#[sqlx::test(migrations = "../migrations")]
async fn what_is_encrypted_goes_only_to_whom_the_machine_trusts(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let certificate = Certificate::new();
    let trusted = certificate.file().to_str().unwrap();
    let invitation = Invitation::send(&stage).await;
    let tls = || certificate.acceptor.clone();
    for (encryption, scheme, tail, attempt) in [
        (Encryption::FromTheStart(tls()), "smtps", "", 1),
        (Encryption::StartTls(tls()), "smtp", "?tls=required", 3),
    ] {
        let sink = SmtpSink::start_behind(Door {
            login: Some(("aias", PASSWORD)),
            encryption,
        })
        .await;
        let port = sink.address.port();
        let url = format!("{scheme}://aias:{PASSWORD}@localhost:{port}{tail}");
        let start = |more: &[(&str, &str)]| {
            let mut variables = vec![
                ("AIAS_SMTP_URL", url.as_str()),
                ("AIAS_MAIL_FROM", "no-reply@aias.example"),
                ("AIAS_APP_URL", APP),
            ];
            variables.extend(more);
            Process::logging_to(&stage, Stdio::inherit(), &variables)
        };
        let worker = start(&[]);
        let mail = invitation.until_mail("queued", attempt).await;
        drop(worker);
        assert_eq!(
            mail.error.as_deref(),
            Some("the mail server cannot be reached")
        );
        assert!(
            !sink.commands().contains(&"AUTH".to_owned()),
            "{:?}",
            sink.commands()
        );

        invitation.mail_is_due().await;
        let worker = start(&[("SSL_CERT_FILE", trusted)]);
        invitation.until_mail("sent", attempt + 1).await;
        drop(worker);
        assert_eq!(sink.received().len(), 1);
        invitation.mail_goes_again().await;
    }
}
