//! Mails that steps send.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::ALPHA;
use uuid::Uuid;

use crate::support::{SmtpSink, Stage, Worker, edges, node, trigger};

fn email(more: Value) -> Value {
    let mut config = json!({"kind": "email", "to": "{{ input.to }}", "subject": "Order {{ input.number }}", "text": "Hello\n{{ input.name }}"});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    node("notify", config)
}

async fn published(stage: &Stage, notify: Value) -> Uuid {
    stage
        .workflow(json!([trigger(), notify]), edges(&["start->notify"]))
        .await
}

async fn mails(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from queue.mails where template = 'workflow'")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_steps_mail_arrives_in_its_tenants_name(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let workflow = published(
        &stage,
        email(json!({"html": "<p>Hello {{ input.name }}</p>"})),
    )
    .await;
    let worker = Worker::start_mailing(&stage, &sink);
    let input = json!({"to": ["ada@a.example", "bo@b.example"], "number": 7, "name": "Ada"});
    let execution = stage.start(workflow, input).await;
    let ended = stage.until_status(execution, "succeeded").await;
    let received = sink.until_received(1).await;
    let is_sent = "select m.status = 'sent' and not m.variables ?| '{text,html}' from queue.mails m where m.subject_id = $1";
    assert!(stage.becomes_true(is_sent, execution).await);
    worker.stop().await;

    let output = &ended.output.unwrap()["notify"];
    assert_eq!(output["to"], json!(["ada@a.example", "bo@b.example"]));
    let (id, at): (Uuid, String) = sqlx::query_as(
        "select id, to_json(created_at) #>> '{}' from queue.mails where template = 'workflow'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(output["mail_id"], id.to_string());
    assert_eq!(output["accepted_at"].as_str().unwrap()[..19], at[..19]);

    let [mail] = received.as_slice() else {
        panic!("{received:?}")
    };
    assert_eq!(mail.from, "no-reply@aias.example");
    assert_eq!(mail.to, ["ada@a.example", "bo@b.example"]);
    assert_eq!(
        mail.header("From").unwrap(),
        "\"Alpha via AIAS\" <no-reply@aias.example>"
    );
    assert_eq!(mail.header("Subject").unwrap(), "Order 7");
    assert!(mail.body().contains("Hello\r\nAda"), "{}", mail.body());
    assert!(mail.body().contains("<p>Hello Ada</p>"), "{}", mail.body());
}

/// Handed over, and the worker died before it could say so.
#[sqlx::test(migrations = "../migrations")]
async fn a_step_that_begins_again_finds_its_mail(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let sink = SmtpSink::start().await;
    let workflow = published(&stage, email(json!({}))).await;
    let execution = stage
        .start(
            workflow,
            json!({"to": "ada@a.example", "number": 7, "name": "Ada"}),
        )
        .await;
    sqlx::query("update queue.jobs set state = 'claimed', ready_in = null, claimed_by = 'dead', fencing_token = 9, has_steps = true, run_at = now() + interval '1 s'")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, attempt, started_at, finished_at, revision) values
         ($1, $2, 'start', 'manual', 'succeeded', 1, now(), now(), 1), ($1, $2, 'notify', 'email', 'running', 1, now(), null, 2)",
    )
    .bind(ALPHA)
    .bind(execution)
    .execute(&pool)
    .await
    .unwrap();
    let hand_over = async |token: i64| -> Option<Uuid> {
        sqlx::query_scalar("select mail_id from queue.send_mail($1, $2, $3, 'notify', '{ada@a.example}', 'Order 7', 'Hello', null)")
            .bind(ALPHA)
            .bind(execution)
            .bind(token)
            .fetch_optional(&pool)
            .await
            .unwrap()
    };
    assert_eq!(hand_over(8).await, None, "an old token hands over nothing");
    let first = hand_over(9).await.unwrap();
    assert_eq!(hand_over(9).await, Some(first));

    let worker = Worker::start_mailing(&stage, &sink);
    let ended = stage.until_status(execution, "succeeded").await;
    sink.until_received(1).await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["notify:succeeded:2", "start:succeeded:1"]
    );
    assert_eq!(
        ended.output.unwrap()["notify"]["mail_id"],
        first.to_string()
    );
    assert_eq!((mails(&pool).await, sink.received().len()), (1, 1));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_mails_so_many_within_an_hour(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let limit = async |overrides: &str| {
        sqlx::query("update public.tenants set limit_overrides = $2::jsonb where id = $1")
            .bind(ALPHA)
            .bind(overrides)
            .execute(&pool)
            .await
            .unwrap();
    };
    let mut notify = email(json!({}));
    notify["retry"] = json!({"max_attempts": 1});
    let workflow = published(&stage, notify).await;
    let worker = Worker::start(&stage, &[]);
    let to = |count: usize| {
        let list: Vec<_> = (0..count).map(|n| format!("a{n}@a.example")).collect();
        json!({"to": list, "number": 1, "name": "x"})
    };
    limit(r#"{"mails_per_hour": 3}"#).await;
    let two = stage.start(workflow, to(2)).await;
    stage.until_status(two, "succeeded").await;
    // Each recipient counts.
    let two_more = stage.start(workflow, to(2)).await;
    let failed = stage.until_status(two_more, "failed").await;
    assert_eq!(failed.error.unwrap()["code"], "rate_limited");
    let one = stage.start(workflow, to(1)).await;
    stage.until_status(one, "succeeded").await;
    assert_eq!(mails(&pool).await, 2);
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_hundred_within_an_hour_where_nobody_says_otherwise(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = published(&stage, email(json!({}))).await;
    for (recipients, is_taken) in [(50, true), (50, true), (1, false)] {
        let execution = stage.start(workflow, json!({})).await;
        sqlx::query("update queue.jobs set state = 'claimed', ready_in = null, claimed_by = 'w', run_at = now() + interval '1 min'")
            .execute(&pool)
            .await
            .unwrap();
        let sent = sqlx::query_scalar::<_, Uuid>(
            "select m.mail_id from queue.jobs j, queue.send_mail(j.tenant_id, j.execution_id, j.fencing_token, 'notify',
               array(select 'a' || i || '@a.example' from generate_series(1, $2) i), 'x', 'x', null) m where j.execution_id = $1",
        )
        .bind(execution)
        .bind(recipients)
        .fetch_optional(&pool)
        .await;
        assert_eq!(sent.is_ok(), is_taken, "{sent:?}");
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_no_mail_is_not_sent(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = published(&stage, email(json!({}))).await;
    let worker = Worker::start(&stage, &[]);
    for to in [
        json!("ada"),
        json!("ada@a.example\r\nBcc: x@x.example"),
        json!([]),
    ] {
        let input = json!({"to": to, "number": 1, "name": "x"});
        let execution = stage.start(workflow, input).await;
        let failed = stage.until_status(execution, "failed").await;
        assert_eq!(failed.error.unwrap()["code"], "invalid_config", "{to}");
    }
    // A subject stays a line.
    let input = json!({"to": "ada@a.example", "number": "1\r\nBcc: x@x.example", "name": "x"});
    let execution = stage.start(workflow, input).await;
    stage.until_status(execution, "succeeded").await;
    let subject: String = sqlx::query_scalar(
        "select variables ->> 'subject' from queue.mails where template = 'workflow'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(subject, "Order 1 Bcc: x@x.example");
    worker.stop().await;
}
