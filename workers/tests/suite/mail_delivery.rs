//! Mails that do not go at once.

use std::process::Stdio;
use std::time::Duration;

use sqlx::PgPool;

use crate::outage::terminate;
use crate::support::smtp::Behaviour::{
    HangUpAfterData, RefuseContent, RefuseRecipient, SayNothing,
};
use crate::support::worker::{APP, Process, mails_by};
use crate::support::{Invitation, SmtpSink, Stage, Worker};

#[sqlx::test(migrations = "../migrations")]
async fn what_is_refused_for_now_goes_later(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    sink.behave([
        RefuseRecipient("450 4.2.1 come back later"),
        RefuseContent("451-4.3.0 not\r\n451 4.3.0 now"),
    ]);
    let worker = Worker::start_mailing(&stage, &sink);
    let invitation = Invitation::send(&stage).await;
    for (attempt, answer) in [(1, "450 4.2.1 come back later"), (2, "451 4.3.0 not now")] {
        let mail = invitation.until_mail("queued", attempt).await;
        assert!(mail.waits, "{mail:?}");
        assert_eq!(
            invitation.as_the_owner_sees_it().await,
            (false, Some(answer.to_owned()))
        );
        // So that the next attempt's is told from this one's.
        sqlx::query("update queue.mails set error = null")
            .execute(&pool)
            .await
            .unwrap();
        invitation.mail_is_due().await;
    }
    invitation.until_mail("sent", 3).await;
    worker.stop().await;
    assert_eq!(invitation.as_the_owner_sees_it().await, (true, None));
    assert_eq!(sink.received().len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_refused_for_good_is_not_tried_again(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    sink.behave([RefuseRecipient("550 5.1.1 no such user")]);
    let worker = Worker::start_mailing(&stage, &sink);
    let invitation = Invitation::send(&stage).await;
    invitation.until_mail("dead", 1).await;
    worker.stop().await;
    assert_eq!(
        invitation.as_the_owner_sees_it().await,
        (false, Some("550 5.1.1 no such user".to_owned()))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn after_ten_attempts_a_mail_is_given_up(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    sink.behave([RefuseRecipient("450 4.2.1 full")]);
    let invitation = Invitation::send(&stage).await;
    let tried = "update queue.mails set attempt = $1, status = 'queued', finished_at = null";
    sqlx::query(tried).bind(9).execute(&pool).await.unwrap();
    let worker = Worker::start_mailing(&stage, &sink);
    invitation.until_mail("dead", 10).await;
    assert_eq!(
        invitation.as_the_owner_sees_it().await.1.as_deref(),
        Some("given up after 10 attempts; the last: 450 4.2.1 full")
    );

    // One whose workers died each time is not even offered.
    let offered = sink.commands().len();
    sqlx::query(tried).bind(10).execute(&pool).await.unwrap();
    invitation.mail_is_due().await;
    invitation.until_mail("dead", 11).await;
    worker.stop().await;
    assert_eq!(
        sink.commands()[offered..]
            .iter()
            .filter(|command| *command == "MAIL")
            .count(),
        0
    );
}

/// The mail server has it and could not say so: it goes again, and whoever gets it twice can tell.
#[sqlx::test(migrations = "../migrations")]
async fn a_lost_answer_repeats_the_mail_under_its_id(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    sink.behave([HangUpAfterData]);
    let worker = Worker::start_mailing(&stage, &sink);
    let invitation = Invitation::send(&stage).await;
    invitation.until_mail("queued", 1).await;
    assert_eq!(
        invitation.as_the_owner_sees_it().await.1.as_deref(),
        Some("the mail server did not answer")
    );
    invitation.mail_is_due().await;
    invitation.until_mail("sent", 2).await;
    worker.stop().await;
    is_the_same_mail_twice(&sink, &invitation).await;
}

/// A worker that is told to stop does not wait for ever for a mail server that says nothing; the mail goes again when its lease ends.
#[sqlx::test(migrations = "../migrations")]
async fn a_mail_server_that_says_nothing_does_not_keep_a_worker(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    sink.behave([SayNothing]);
    let url = sink.url();
    let worker = Worker::start_with(&stage, &[], |config| {
        config.mail = Some(mails_by(&url));
        config.drain = Duration::from_millis(100);
    });
    let invitation = Invitation::send(&stage).await;
    sink.until_received(1).await;
    worker.stop().await;
    let mail = invitation.mail().await;
    assert_eq!(
        (mail.status.as_str(), mail.attempt, mail.waits),
        ("queued", 1, true)
    );

    invitation.mail_is_due().await;
    let worker = Worker::start_mailing(&stage, &sink);
    invitation.until_mail("sent", 2).await;
    worker.stop().await;
    is_the_same_mail_twice(&sink, &invitation).await;
}

/// Killed between the mail server's answer and the record of it.
#[sqlx::test(migrations = "../migrations")]
async fn a_killed_worker_repeats_the_mail_under_its_id(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let invitation = Invitation::send(&stage).await;
    let url = sink.url();
    let start = || {
        let variables = [
            ("AIAS_SMTP_URL", url.as_str()),
            ("AIAS_MAIL_FROM", "no-reply@aias.example"),
            ("AIAS_APP_URL", APP),
        ];
        Process::logging_to(&stage, Stdio::inherit(), &variables)
    };
    // The record waits for this lock, and the worker for the record.
    sqlx::raw_sql(
        "create function public.wait() returns trigger language plpgsql as
           $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
         create trigger wait before update on queue.mails for each row when (new.status = 'sent') execute function public.wait();",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(1)")
        .execute(&mut *lock)
        .await
        .unwrap();
    let first = start();
    let recording = "select exists (select from pg_locks where locktype = 'advisory' and not granted and objid = 1
                        and database = (select oid from pg_database where datname = current_database()))";
    assert!(stage.becomes_true(recording, invitation.id).await);
    first.kill();
    // Its statement is in the server and would still be carried out.
    terminate(&pool).await;
    lock.commit().await.unwrap();
    assert_eq!(invitation.mail().await.status, "queued");
    assert_eq!(sink.received().len(), 1);

    // Its lease ends.
    invitation.mail_is_due().await;
    let second = start();
    invitation.until_mail("sent", 2).await;
    drop(second);
    is_the_same_mail_twice(&sink, &invitation).await;
}

async fn is_the_same_mail_twice(sink: &SmtpSink, invitation: &Invitation<'_>) {
    let received = sink.received();
    let [first, second] = received.as_slice() else {
        panic!("{received:?}")
    };
    for header in ["Message-ID", "Idempotency-Key"] {
        let id = first.header(header);
        assert!(id.is_some());
        assert_eq!(second.header(header), id);
    }
    // Each has a token of its own, and either is good.
    assert_ne!(first.token(), second.token());
    assert_eq!(invitation.accept(&first.token()).await.unwrap(), "editor");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_mail_server_that_is_away_is_waited_for(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let worker = Worker::start_with(&stage, &[], |config| config.mail = Some(mails_by(&url)));
    let invitation = Invitation::send(&stage).await;
    let mail = invitation.until_mail("queued", 1).await;
    assert!(mail.waits, "{mail:?}");
    assert_eq!(
        invitation.as_the_owner_sees_it().await,
        (false, Some("the mail server cannot be reached".to_owned()))
    );
    worker.stop().await;
    invitation.mail_is_due().await;
    let worker = Worker::start_mailing(&stage, &sink);
    invitation.until_mail("sent", 2).await;
    worker.stop().await;
}
