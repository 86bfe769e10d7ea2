//! Who may buy more hears of a limit.

use sqlx::PgPool;
use tests::seed::ALPHA;

use crate::support::{SmtpSink, Stage, Worker};

#[sqlx::test(migrations = "../migrations")]
async fn a_limit_that_is_reached_is_mailed_to_those_who_pay(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    sqlx::raw_sql("update public.tenants set limit_overrides = '{\"executions\": 10}' where subdomain = 'alpha'")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("select aias.quota_take($1, 'executions', 10)")
        .bind(ALPHA)
        .execute(&pool)
        .await
        .unwrap();
    let sink = SmtpSink::start().await;
    let workers = [
        Worker::start_mailing(&stage, &sink),
        Worker::start_mailing(&stage, &sink),
    ];
    let sent = "select count(*) = 2 from queue.mails where template = 'limit' and status = 'sent' and tenant_id = $1";
    assert!(stage.becomes_true(sent, ALPHA).await);
    for worker in workers {
        worker.stop().await;
    }
    let received = sink.received();
    let mut to: Vec<&str> = received.iter().map(|mail| mail.to[0].as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["billing@alpha.test", "owner@alpha.test"]);
    assert_eq!(
        received[0].header("Subject").unwrap(),
        "Alpha has used all of its executions"
    );
    assert!(
        received[0].body().contains("10 of 10"),
        "{}",
        received[0].body()
    );
}
