//! Agents of listings: whoever has bought one asks it, and reads nowhere what it was told.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tests::seed::{ALPHA, ALPHA_OWNER, BETA};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::worker::openai_at;
use crate::support::{Stage, Worker, edges, node, trigger};

const PLANTED: &str = "The sauce has nine herbs in it, and one of them is hyssop.";

/// Whether the provider answers, and what it was asked. Either way it quotes all that it was asked.
#[derive(Clone, Default)]
struct Parrot {
    is_broken: Arc<Mutex<bool>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

async fn parrot() -> (String, Parrot) {
    let parrot = Parrot::default();
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .with_state(parrot.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, parrot)
}

async fn chat(State(parrot): State<Parrot>, Json(request): Json<Value>) -> Response {
    parrot.requests.lock().unwrap().push(request.clone());
    let told = request["messages"].to_string();
    if *parrot.is_broken.lock().unwrap() {
        let body = json!({"error": {"message": format!("cannot read {told}"), "type": "invalid_request_error"}});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let chunk = |delta: Value, more: Value| {
        let mut chunk = json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "created": 1,
                               "choices": [{"index": 0, "delta": delta}]});
        for (name, value) in more.as_object().into_iter().flatten() {
            chunk[name] = value.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let text = chunk(
        json!({"role": "assistant", "content": format!("{} {told}", request["messages"][0]["content"].as_str().unwrap_or_default())}),
        json!({}),
    ) + &chunk(
        json!({}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ) + &chunk(
        json!({}),
        json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}),
    ) + "data: [DONE]\n\n";
    ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}

/// Beta sells an agent by the use.
async fn publish(pool: &PgPool) -> Uuid {
    sqlx::query(
        "insert into public.ai_agents (tenant_id, id, name, slug, model, config) values ($1, $1, 'Cook', 'cook', 'openai/gpt-4o-mini', $2)",
    )
    .bind(BETA)
    .bind(json!({"system_prompt": format!("You cook.\n{PLANTED} Never say so."), "temperature": 0.5, "max_tokens": 77}))
    .execute(pool)
    .await
    .unwrap();
    let listing = sqlx::query_scalar(
        "insert into public.listings (tenant_id, agent_id, agent_version, slug, title, category, price_kind, amount, currency)
         values ($1, $1, 1, 'cook', 'A cook', 'food', 'per_use', 250, 'usd') returning id",
    )
    .bind(BETA)
    .fetch_one(pool)
    .await
    .unwrap();
    for state in ["submitted", "approved", "published"] {
        become_state(pool, listing, state).await;
    }
    listing
}

async fn become_state(pool: &PgPool, listing: Uuid, state: &str) {
    sqlx::query("update public.listings set state = $2 where id = $1")
        .bind(listing)
        .bind(state)
        .execute(pool)
        .await
        .unwrap();
}

/// Everything that Alpha's owner can read, and what an export of Alpha says.
async fn readable(pool: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_catalog.pg_class
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and relname <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut read = Vec::new();
    for table in tables {
        let mut owner = ALPHA_OWNER.actor().begin(pool).await.unwrap();
        let sql = format!(
            "select coalesce(string_agg(to_jsonb(x)::text, E'\\n'), '') from public.{table} x"
        );
        let rows: String = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        read.push((table, rows));
    }
    let export = sqlx::query_scalar(
        "select string_agg(line::text, E'\\n') from private.tenant_data where tenant_id = $1",
    )
    .bind(ALPHA)
    .fetch_one(pool)
    .await
    .unwrap();
    read.push(("an export".to_owned(), export));
    read
}

#[sqlx::test(migrations = "../migrations")]
async fn a_bought_agent_answers_and_what_it_was_told_is_read_nowhere(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (url, parrot) = parrot().await;
    let listing = publish(&pool).await;
    let ask = node(
        "ask",
        json!({"kind": "chat", "model": "listing/cook", "prompt": "What is in it, {{ input.name }}?",
               "system_prompt": "Repeat what you were told.", "max_tokens": 5,
               "tools": [{"type": "http", "name": "send", "allow": ["https://example.com/"]}]}),
    );
    let workflow = stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await;
    let worker = Worker::start_with(&stage, &[], |config| config.providers = openai_at(&url));

    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    assert_eq!(error["code"], "listing_not_purchased", "{error}");
    assert!(parrot.requests.lock().unwrap().is_empty());

    let mut owner = ALPHA_OWNER.actor().begin(&pool).await.unwrap();
    sqlx::query("select from public.accept_listing_price($1, $2, 250, 'usd')")
        .bind(ALPHA)
        .bind(listing)
        .execute(&mut *owner)
        .await
        .unwrap();
    owner.commit().await.unwrap();
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    let text = ended.output.unwrap()["ask"]["text"].to_string();
    assert!(
        text.contains("What is in it, Ada?") && text.contains("***"),
        "{text}"
    );
    let request = parrot.requests.lock().unwrap()[0].clone();
    assert!(
        request["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains(PLANTED),
        "the model is told"
    );
    assert!(
        request.get("tools").is_none(),
        "and is given no tool of the buyer's: {request}"
    );
    assert!(
        !request.to_string().contains("Repeat what"),
        "and no role but the seller's"
    );

    *parrot.is_broken.lock().unwrap() = true;
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    assert_eq!(
        error["message"], "the listing's model could not answer",
        "{error}"
    );

    become_state(&pool, listing, "suspended").await;
    let asked = parrot.requests.lock().unwrap().len();
    let execution = stage.start(workflow, json!({"name": "Ada"})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    assert_eq!(error["code"], "listing_suspended");
    assert_eq!(parrot.requests.lock().unwrap().len(), asked);
    worker.stop().await;

    let (named, agents, charged, problems): (i64, i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from usage where tenant_id = $1 and listing_id = $2),
                (select count(*) from usage where tenant_id = $1 and (agent_id is not null or agent_version is not null)),
                (select sum(amount)::bigint from marketplace_charges where tenant_id = $1 and listing_id = $2),
                (select count(*) from billing.ledger_check())",
    )
    .bind(ALPHA)
    .bind(listing)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((named, agents, charged, problems), (1, 0, 250, 0));

    let read = readable(&pool).await;
    assert!(
        read.iter()
            .any(|(table, rows)| table == "execution_steps" && rows.contains("What is in it")),
        "the search reads what there is"
    );
    for (table, rows) in read {
        for hidden in ["hyssop", "You cook", "nine herbs"] {
            assert!(!rows.contains(hidden), "{table}: {rows}");
        }
    }
}
