//! Documents that are embedded: each text once, paid once, by however many workers, and again when something went wrong.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT};
use uuid::Uuid;

use crate::support::database::everything;
use crate::support::vectors::{Mood, REFUSED, TOKENS, Vectors};
use crate::support::worker::{Process, openai_at};
use crate::support::{Server, Stage, Worker, secrets};

const MODEL: &str = "openai/tiny";

/// Alpha's agent embeds by a model with three numbers, where vectors are kept: not every server has pgvector.
async fn stage(pool: &PgPool) -> Option<Stage> {
    let stage = Stage::set(pool).await;
    sqlx::query("insert into private.embedding_models (model, dimensions) values ($1, 3), ('openai/other', 3)")
        .bind(MODEL)
        .execute(pool)
        .await
        .unwrap();
    let keeps: bool = sqlx::query_scalar("select private.has_vectors()")
        .fetch_one(pool)
        .await
        .unwrap();
    embed_by(pool, Some(MODEL)).await;
    keeps.then_some(stage)
}

async fn embed_by(pool: &PgPool, model: Option<&str>) {
    sqlx::query("update public.ai_agents set embedding_model = $1 where id = $2")
        .bind(model)
        .bind(ALPHA_AGENT)
        .execute(pool)
        .await
        .unwrap();
}

async fn write(pool: &PgPool, content: &str) -> Uuid {
    sqlx::query_scalar("insert into public.agent_documents (tenant_id, agent_id, title, content) values ($1, $2, 'Handbook', $3) returning id")
        .bind(ALPHA)
        .bind(ALPHA_AGENT)
        .bind(content)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Paragraphs that are a piece each.
fn pieces(texts: &[&str]) -> String {
    let long: Vec<String> = texts
        .iter()
        .map(|text| format!("{text} {}", "filler ".repeat(200)))
        .collect();
    long.join("\n\n")
}

fn worker(stage: &Stage, model: &Vectors) -> Worker {
    Worker::start_with(stage, &[], |config| {
        config.providers = openai_at(&model.url);
        config.vault = Some(secrets::vault());
    })
}

/// As Alpha's owner sees it: state, pieces, embedded, refused.
async fn status(stage: &Stage) -> (String, i64, i64, i64, Option<String>) {
    let line: Value = stage
        .ask(
            "select to_jsonb(s) from public.embedding_status($1) s",
            ALPHA_AGENT,
        )
        .await;
    let count = |name: &str| line[name].as_i64().unwrap();
    (
        line["state"].as_str().unwrap().to_owned(),
        count("pieces"),
        count("embedded"),
        count("refused"),
        line["reason"].as_str().map(str::to_owned),
    )
}

async fn until(stage: &Stage, state: &str) -> (i64, i64, i64, Option<String>) {
    let begun = std::time::Instant::now();
    loop {
        let (found, pieces, embedded, refused, reason) = status(stage).await;
        if found == state {
            return (pieces, embedded, refused, reason);
        }
        let patience = begun.elapsed() < crate::support::PATIENCE;
        assert!(patience, "{found} is not {state}: {reason:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Of the plan, used and set aside; and the tokens of the usage rows.
async fn paid(pool: &PgPool) -> (i64, i64, Vec<i64>) {
    let (used, reserved) = sqlx::query_as(
        "select used, reserved from aias.quota_status($1) where meter = 'llm_tokens'",
    )
    .bind(ALPHA)
    .fetch_one(pool)
    .await
    .unwrap();
    let rows = sqlx::query_scalar("select input_tokens from public.usage where tenant_id = $1 and idempotency_key like 'embedding:%' and agent_id = $2 order by id")
        .bind(ALPHA)
        .bind(ALPHA_AGENT)
        .fetch_all(pool)
        .await
        .unwrap();
    (used, reserved, rows)
}

async fn found(stage: &Stage, select: &'static str) -> Vec<String> {
    let titles: Option<Vec<String>> = stage.ask(select, ALPHA_AGENT).await;
    titles.unwrap_or_default()
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_written_is_embedded_once_and_what_is_edited_as_far_as_it_is_new(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    let document = write(&pool, &pieces(&["one", "two", "three"])).await;
    let worker = worker(&stage, &model);
    assert_eq!(until(&stage, "complete").await, (3, 3, 0, None));
    assert_eq!(paid(&pool).await, (3 * TOKENS, 0, vec![3 * TOKENS]));
    assert_eq!(model.asked().len(), 1, "all of them in one call");

    // The second is now another, and there is one before all of them.
    sqlx::query("update public.agent_documents set content = $1 where id = $2")
        .bind(pieces(&["zero", "one", "second", "three"]))
        .bind(document)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(until(&stage, "complete").await, (4, 4, 0, None));
    let asked = model.asked()[1].clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let vectors: i64 = sqlx::query_scalar("select count(*) from private.document_vectors")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(vectors, 4, "what is no longer said has left nothing");

    embed_by(&pool, Some("openai/other")).await;
    assert_eq!(until(&stage, "complete").await, (4, 4, 0, None));
    assert_eq!(model.asked()[2].len(), 4, "another model embeds all anew");
    embed_by(&pool, None).await;
    assert_eq!(until(&stage, "off").await, (4, 0, 0, None));
    worker.stop().await;
    assert_eq!(
        paid(&pool).await,
        (9 * TOKENS, 0, vec![3 * TOKENS, 2 * TOKENS, 4 * TOKENS])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn two_workers_at_once_pay_for_each_text_once(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    let workers = [worker(&stage, &model), worker(&stage, &model)];
    // More than one call takes, while they are at it.
    for half in 0..4 {
        let texts: Vec<String> = (0..40).map(|text| format!("text {half} {text}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        write(&pool, &pieces(&texts)).await;
    }
    assert_eq!(until(&stage, "complete").await, (160, 160, 0, None));
    for worker in workers {
        worker.stop().await;
    }
    let texts = model.texts();
    let mut once = texts.clone();
    once.dedup();
    assert_eq!(texts.len(), 160);
    assert_eq!(once.len(), 160, "each was asked once");
    let (used, reserved, rows) = paid(&pool).await;
    assert_eq!((used, reserved), (160 * TOKENS, 0));
    assert_eq!(rows.iter().sum::<i64>(), 160 * TOKENS);
    assert_eq!(rows.len(), model.asked().len(), "one row for each call");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_killed_between_answer_and_record_bills_nothing(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    let server = Server::start().await;
    write(&pool, &pieces(&["one", "two"])).await;
    // The provider has done the work when the worker dies.
    model.is(Mood::Holds);
    let first = Process::start(&stage, &server, &[("OPENAI_BASE_URL", &model.url)]);
    model.until_asked(1).await;
    first.kill();
    model.is(Mood::Answers);
    assert_eq!(
        status(&stage).await,
        ("queued".to_owned(), 2, 0, 0, None),
        "held by somebody who is no more"
    );
    sqlx::query("update queue.embedding_jobs set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let second = worker(&stage, &model);
    assert_eq!(until(&stage, "complete").await, (2, 2, 0, None));
    second.stop().await;
    assert_eq!(model.asked().len(), 2, "the provider was asked twice");
    let (used, _, rows) = paid(&pool).await;
    assert_eq!(
        (used, rows),
        (2 * TOKENS, vec![2 * TOKENS]),
        "and the tenant pays once"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_late_answer_is_not_kept_and_not_paid(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    write(&pool, &pieces(&["one"])).await;
    model.is(Mood::Holds);
    let slow = worker(&stage, &model);
    model.until_asked(1).await;
    // Its lease is over, and another takes it up.
    sqlx::query("update queue.embedding_jobs set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let quick = worker(&stage, &model);
    model.until_asked(2).await;
    model.is(Mood::Answers);
    assert_eq!(until(&stage, "complete").await, (1, 1, 0, None));
    slow.stop().await;
    quick.stop().await;
    assert_eq!(paid(&pool).await, (TOKENS, 0, vec![TOKENS]));
}

#[sqlx::test(migrations = "../migrations")]
async fn without_quota_it_waits_and_goes_on_when_there_is_some(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    let allow = async |tokens: i64| {
        sqlx::query("select aias.quota_set($1, 'llm_tokens', 'flow', $2, billing_anchor) from public.tenants where id = $1")
            .bind(ALPHA)
            .bind(tokens)
            .execute(&pool)
            .await
            .unwrap();
    };
    allow(0).await;
    write(&pool, "Refunds are paid by bank transfer.").await;
    let worker = worker(&stage, &model);
    let (_, embedded, _, reason) = until(&stage, "waiting").await;
    assert_eq!(embedded, 0);
    assert!(reason.unwrap().contains("llm_tokens"));
    assert!(model.asked().is_empty());
    assert_eq!(
        found(
            &stage,
            "select array_agg(title) from public.search_documents($1, 'refund')"
        )
        .await,
        ["Handbook"],
        "its words are found all the same"
    );

    allow(1_000).await;
    sqlx::query("update queue.embedding_jobs set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(until(&stage, "complete").await, (1, 1, 0, None));
    worker.stop().await;
    assert_eq!(paid(&pool).await, (TOKENS, 0, vec![TOKENS]));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_text_that_is_refused_takes_no_other_along(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    write(&pool, &pieces(&["one", "two", REFUSED, "four", "five"])).await;
    let worker = worker(&stage, &model);
    let (pieces, embedded, refused, reason) = until(&stage, "complete").await;
    assert_eq!((pieces, embedded, refused), (5, 4, 1));
    assert!(reason.unwrap().contains("this cannot be embedded"));
    worker.stop().await;
    let (used, reserved, _) = paid(&pool).await;
    assert_eq!((used, reserved), (4 * TOKENS, 0), "a refusal costs nothing");
    assert_eq!(
        found(
            &stage,
            "select array_agg(title) from public.search_documents($1, 'unspeakable')"
        )
        .await,
        ["Handbook"]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_given_up_says_why_and_is_tried_again_when_asked_to(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    let own = "sk-own-Hunter2Hunter2";
    secrets::set_key(&pool, &secrets::vault(), ALPHA, "openai", own).await;
    write(&pool, &pieces(&["one"])).await;
    model.is(Mood::KnowsNoKey);
    let worker = worker(&stage, &model);
    let (_, _, _, reason) = until(&stage, "failed").await;
    assert!(reason.unwrap().contains("Incorrect API key"));
    assert_eq!(
        model.keys(),
        [format!("Bearer {own}")],
        "it is not tried again"
    );
    assert!(!everything(&pool).await.contains("Hunter2"));

    // The same once more.
    embed_by(&pool, Some(MODEL)).await;
    model.until_asked(2).await;
    until(&stage, "failed").await;
    // And with a new key.
    model.is(Mood::Answers);
    secrets::set_key(&pool, &secrets::vault(), ALPHA, "openai", own).await;
    assert_eq!(until(&stage, "complete").await, (1, 1, 0, None));
    worker.stop().await;
    let own_key: Vec<bool> = sqlx::query_scalar(
        "select own_key from public.usage where idempotency_key like 'embedding:%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(own_key, [true]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_provider_that_breaks_is_tried_again_later(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Vectors::start().await;
    write(&pool, &pieces(&["one"])).await;
    model.is(Mood::Breaks);
    let worker = worker(&stage, &model);
    let (_, _, _, reason) = until(&stage, "waiting").await;
    assert!(reason.unwrap().contains("it hurts"));
    assert_eq!(paid(&pool).await, (0, 0, vec![]));
    model.is(Mood::Answers);
    sqlx::query("update queue.embedding_jobs set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(until(&stage, "complete").await, (1, 1, 0, None));
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn without_the_extension_words_are_found_and_nobody_is_asked(pool: PgPool) {
    let has_vectors = stage(&pool).await.is_some();
    let stage = Stage { pool: pool.clone() };
    sqlx::query("drop extension if exists vector cascade")
        .execute(&pool)
        .await
        .unwrap();
    let model = Vectors::start().await;
    write(&pool, "Refunds are paid by bank transfer.").await;
    let worker = worker(&stage, &model);
    assert_eq!(
        status(&stage).await,
        ("unavailable".to_owned(), 1, 0, 0, None)
    );
    for search in [
        "select array_agg(title) from public.search_documents($1, 'refund')",
        "select array_agg(title) from public.search_documents($1, 'refund', query_embedding => '{1,0,0}')",
    ] {
        assert_eq!(found(&stage, search).await, ["Handbook"]);
    }
    if has_vectors {
        assert!(model.asked().is_empty());
        // The operator has it back.
        let keeps: bool = sqlx::query_scalar("select private.use_vectors()")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(keeps);
        assert_eq!(until(&stage, "complete").await, (1, 1, 0, None));
    }
    worker.stop().await;
    assert_eq!(model.asked().len(), usize::from(has_vectors));
}
