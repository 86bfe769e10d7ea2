//! Mails that go well, and what is in them.

use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::worker::APP;
use crate::support::{Invitation, SmtpSink, Stage, Worker};

#[sqlx::test(migrations = "../migrations")]
async fn an_invitation_arrives_and_its_token_is_accepted(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let worker = Worker::start_mailing(&stage, &sink);
    let invitation = Invitation::send(&stage).await;
    invitation.until_mail("sent", 1).await;
    worker.stop().await;

    let received = sink.received();
    let [mail] = received.as_slice() else {
        panic!("{received:?}")
    };
    assert_eq!(mail.from, "no-reply@aias.example");
    assert_eq!(mail.to, ["stranger@gamma.test"]);
    assert_eq!(
        mail.header("Subject").unwrap(),
        "Alpha owner invites you to Alpha"
    );
    let token = mail.token();
    let link = format!("{APP}/invitations#token={token}");
    assert_eq!(
        mail.body().matches(&link).count(),
        2,
        "in the text and in the page: {}",
        mail.body()
    );
    assert_eq!(invitation.as_the_owner_sees_it().await, (true, None));

    // It rests nowhere but in the mail.
    let kept: bool = sqlx::query_scalar(
        "select exists (select from queue.mails m where m::text like '%' || $1 || '%')
             or exists (select from private.invitation_tokens t where t::text like '%' || $1 || '%')",
    )
    .bind(&token)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(!kept);
    assert_eq!(invitation.accept(&token).await.unwrap(), "editor");
    assert!(invitation.accept(&token).await.is_err(), "once");
}

#[sqlx::test(migrations = "../migrations")]
async fn connections_are_used_again(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let worker = Worker::start_mailing(&stage, &sink);
    let invitation = Invitation::send(&stage).await;
    invitation.until_mail("sent", 1).await;
    invitation.mail_goes_again().await;
    sink.until_received(2).await;
    worker.stop().await;
    assert_eq!(sink.connections(), 1);
}

/// Whatever a tenant's people write, their mail has the headers and the recipient that it should.
#[sqlx::test(migrations = "../migrations")]
async fn names_are_text_in_a_mail(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let plain = Invitation::send(&stage).await;
    let worker = Worker::start_mailing(&stage, &sink);
    plain.until_mail("sent", 1).await;
    let hostile =
        "A\r\nBcc: evil@evil.test\r\n\r\n<script>alert(1)</script>\n.\r\nMAIL FROM:<x@x.test>";
    sqlx::query("update queue.mails set variables = jsonb_set(variables, '{tenant_name}', to_jsonb($1::text)), status = 'queued', finished_at = null")
        .bind(hostile)
        .execute(&pool)
        .await
        .unwrap();
    plain.mail_is_due().await;
    let received = sink.until_received(2).await;
    worker.stop().await;

    assert_eq!(received.len(), 2);
    let mail = &received[1];
    assert_eq!(mail.to, ["stranger@gamma.test"]);
    assert_eq!(mail.headers(), received[0].headers());
    assert!(
        mail.header("Subject")
            .unwrap()
            .starts_with("Alpha owner invites you to A Bcc: evil@evil.test <script>"),
        "{:?}",
        mail.header("Subject")
    );
    let (text, page) = mail
        .body()
        .split_once("text/html")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(text.contains("<script>"), "{text}");
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script"),
        "{page}"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_mail_that_nobody_waits_for_is_dropped(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let over = Invitation::send(&stage).await;
    // Its end came first, and the mail does not know.
    sqlx::query("update public.invitations set expires_at = now() - interval '1 s' where id = $1")
        .bind(over.id)
        .execute(&pool)
        .await
        .unwrap();
    let worker = Worker::start_mailing(&stage, &sink);
    let mail = over.until_mail("dropped", 1).await;
    assert_eq!(mail.error.as_deref(), Some("nobody waits for it any more"));

    sqlx::query("update queue.mails set status = 'queued', finished_at = null, expires_at = now() - interval '1 s'")
        .execute(&pool)
        .await
        .unwrap();
    over.mail_is_due().await;
    let mail = over.until_mail("dropped", 2).await;
    assert_eq!(
        mail.error.as_deref(),
        Some("it was over before the mail could go")
    );
    worker.stop().await;
    assert!(sink.received().is_empty());
    let tokens: i64 =
        sqlx::query_scalar("select count(*) from private.invitation_tokens where tenant_id = $1")
            .bind(ALPHA)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(tokens, 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_mail_server_mails_stay_queued(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let invitation = Invitation::send(&stage).await;
    let worker = Worker::start(&stage, &[]);
    // Something else that a worker does beside the executions has happened meanwhile.
    let chained = "select not exists (select from audit.inbox where tenant_id = $1)";
    assert!(stage.becomes_true(chained, ALPHA).await);
    worker.stop().await;
    let mail = invitation.mail().await;
    assert_eq!((mail.status.as_str(), mail.attempt), ("queued", 0));

    let sink = SmtpSink::start().await;
    let worker = Worker::start_mailing(&stage, &sink);
    invitation.until_mail("sent", 1).await;
    worker.stop().await;
}
