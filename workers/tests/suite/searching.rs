//! An agent that looks up its documents, by a stand-in for its models: what is found by its meaning, and what that takes.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT};

use crate::support::aimock::Aimock;
use crate::support::worker::openai_at;
use crate::support::{Stage, Worker, edges, node, trigger};

const QUESTION: &str = "How do I get my money back?";

async fn stage(pool: &PgPool) -> Option<Stage> {
    let stage = Stage::set(pool).await;
    sqlx::query(
        "insert into private.embedding_models (model, dimensions) values ('openai/tiny', 3)",
    )
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        r#"update public.ai_agents set embedding_model = 'openai/tiny', config = '{"tools": [{"type": "search_documents", "limit": 1}]}' where id = $1"#,
    )
    .bind(ALPHA_AGENT)
    .execute(pool)
    .await
    .unwrap();
    let keeps: bool = sqlx::query_scalar("select private.has_vectors()")
        .fetch_one(pool)
        .await
        .unwrap();
    keeps.then_some(stage)
}

/// Writes a document, and waits for its vector: the stand-in has one for each call.
async fn write(stage: &Stage, title: &str, content: &str) {
    sqlx::query("insert into public.agent_documents (tenant_id, agent_id, title, content) values ($1, $2, $3, $4)")
        .bind(ALPHA)
        .bind(ALPHA_AGENT)
        .bind(title)
        .bind(content)
        .execute(&stage.pool)
        .await
        .unwrap();
    let embedded = stage
        .becomes_true(
            "select count(*) = 0 from queue.embedding_jobs where agent_id = $1",
            ALPHA_AGENT,
        )
        .await;
    assert!(embedded, "{title} has no vector");
}

fn fixtures(question: &Value) -> Value {
    json!([
        {"match": {"endpoint": "embedding", "inputText": "Reimbursements"}, "response": {"embedding": [1, 0, 0.1]}},
        {"match": {"endpoint": "embedding", "inputText": "Doors open"}, "response": {"embedding": [0, 1, 0.1]}},
        {"match": {"endpoint": "embedding", "inputText": QUESTION}, "response": question},
        {"match": {"hasToolResult": true}, "response": {"content": "Done."}},
        {"match": {"userMessage": "Go."},
         "response": {"toolCalls": [{"name": "search_documents", "arguments": json!({"query": QUESTION}).to_string()}]}},
    ])
}

/// What the agent was told by its tool.
async fn told(model: &Aimock) -> Value {
    let asked = model.last_request().await;
    let messages = asked["messages"].as_array().unwrap().clone();
    let tool = messages
        .iter()
        .find(|message| message["role"] == "tool")
        .unwrap();
    serde_json::from_str(tool["content"].as_str().unwrap()).unwrap()
}

async fn search(stage: &Stage) -> uuid::Uuid {
    let ask = node(
        "ask",
        json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Go."}),
    );
    let workflow = stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await;
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    execution
}

fn worker(stage: &Stage, model: &Aimock) -> Worker {
    Worker::start_with(stage, &[], |config| {
        config.providers = openai_at(&model.url("/v1"));
    })
}

#[sqlx::test(migrations = "../migrations")]
async fn a_piece_without_a_word_of_the_question_is_found_by_its_vector(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let model = Aimock::start(fixtures(&json!({"embedding": [0.9, 0.1, 0.1]}))).await;
    let worker = worker(&stage, &model);
    write(&stage, "Hours", "Doors open at nine.").await;
    write(&stage, "Returns", "Reimbursements take three days.").await;
    let by_words: Option<Vec<String>> = stage
        .ask(
            "select array_agg(title) from public.search_documents($1, 'How do I get my money back?')",
            ALPHA_AGENT,
        )
        .await;
    assert_eq!(by_words, None, "no word of it is in either");

    let execution = search(&stage).await;
    worker.stop().await;
    assert_eq!(
        told(&model).await,
        json!([{"title": "Returns", "position": 1, "text": "Reimbursements take three days."}])
    );
    // The question's own row, beside those of the two rounds.
    let keys: Vec<String> = sqlx::query_scalar(
        "select split_part(idempotency_key, ':', 1) || coalesce(' ' || node_id, '') from public.usage where execution_id = $1 order by 1",
    )
    .bind(execution)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(keys, ["embedding ask", "execution ask", "execution ask"]);
    let (step, rows): (i64, i64) = sqlx::query_as(
        "select (select input_tokens from public.execution_steps where execution_id = $1 and node_id = 'ask'),
                (select sum(input_tokens)::bigint from public.usage where execution_id = $1)",
    )
    .bind(execution)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(step, rows, "and it is a part of what the step took");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_question_that_cannot_be_embedded_is_searched_by_its_words(pool: PgPool) {
    let Some(stage) = stage(&pool).await else {
        return;
    };
    let broken = json!({"error": {"message": "it hurts", "type": "server_error"}, "status": 500});
    let model = Aimock::start(fixtures(&broken)).await;
    let worker = worker(&stage, &model);
    write(&stage, "Returns", "Reimbursements take three days.").await;
    write(
        &stage,
        "Hours",
        "Doors open at nine. No money is kept here.",
    )
    .await;
    search(&stage).await;
    worker.stop().await;
    assert_eq!(told(&model).await[0]["title"], "Hours");
    let reserved: i64 =
        sqlx::query_scalar("select reserved from aias.quota_status($1) where meter = 'llm_tokens'")
            .bind(ALPHA)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(reserved, 0, "what was set aside for it is given back");
}
