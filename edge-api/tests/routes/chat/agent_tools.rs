//! Agents whose tools run here: what the client sees of it, and what is paid.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT, ALPHA_EDITOR, ALPHA_OWNER, ALPHA_WORKFLOW, BETA};
use uuid::Uuid;

use super::caps::{cap, price, spent};
use super::stream::read;
use super::{Gateway, PATH};
use crate::support::api_keys::ApiKey;
use crate::support::upstream::Line::{Asks, Says};

pub const AGENT: &str = "agent:greeter";

/// Gives Alpha's agent these fields of a config, and a model that is told what to say.
pub async fn configure(pool: &PgPool, config: Value) {
    sqlx::query("update public.ai_agents set model = 'openai/scripted', config = $1 where id = $2")
        .bind(config)
        .bind(ALPHA_AGENT)
        .execute(pool)
        .await
        .unwrap();
}

/// A document of the agent with this id in a tenant.
async fn document(pool: &PgPool, tenant: Uuid, content: &str) {
    sqlx::query(
        "insert into public.agent_documents (tenant_id, agent_id, title, content) values ($1, $2, 'Manual', $3)",
    )
    .bind(tenant)
    .bind(ALPHA_AGENT)
    .bind(content)
    .execute(pool)
    .await
    .unwrap();
}

async fn librarian(pool: PgPool, more: Value) -> Gateway {
    let gateway = Gateway::new(pool).await;
    let mut config = json!({"tools": [{"type": "search_documents", "name": "manual"}]});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    configure(&gateway.app.pool, config).await;
    document(&gateway.app.pool, ALPHA, "The factory stands in Ulm.").await;
    gateway
}

pub fn asked() -> Value {
    json!({"model": AGENT, "messages": [{"role": "user", "content": "Where?"}]})
}

fn looks() -> (&'static str, Value) {
    ("manual", json!({"query": "Where does the factory stand?"}))
}

/// Of each call that was written down, its tokens.
async fn rounds(gateway: &Gateway) -> Vec<i64> {
    let used = gateway.used().await;
    assert!(used.iter().all(|one| one.agent_id == Some(ALPHA_AGENT)));
    used.iter()
        .map(|one| one.input_tokens + one.output_tokens)
        .collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_client_sees_one_answer_and_each_round_is_paid(pool: PgPool) {
    let gateway = librarian(pool, json!({})).await;
    // Another tenant's agent has the same id, and a text that fits as well.
    sqlx::query(
        "insert into public.ai_agents (tenant_id, id, name, slug, model) values ($1, $2, 'Greeter', 'greeter', 'openai/scripted')",
    )
    .bind(BETA)
    .bind(ALPHA_AGENT)
    .execute(&gateway.app.pool)
    .await
    .unwrap();
    document(&gateway.app.pool, BETA, "The factory stands in Bonn.").await;
    gateway
        .upstream
        .is_to_say([Asks("Let me look.", vec![looks()]), Says("In Ulm.")]);
    let answer = gateway.ask(&asked()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["message"]["content"], "Let me look.\n\nIn Ulm.");
    assert_eq!(choice["message"].get("tool_calls"), None);
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(answer.json()["usage"]["total_tokens"], 20);
    let told = gateway.upstream.journal.told();
    assert_eq!(
        told,
        [r#"[{"position":1,"text":"The factory stands in Ulm.","title":"Manual"}]"#]
    );
    let declared = &gateway.upstream.journal.requests()[0]["tools"];
    assert_eq!(declared[0]["function"]["name"], "manual", "{declared}");
    assert_eq!(rounds(&gateway).await, [10, 10]);
    assert_eq!(gateway.tokens().await, (20, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_stream_says_what_the_rounds_say_and_no_calls(pool: PgPool) {
    let gateway = librarian(pool, json!({})).await;
    gateway
        .upstream
        .is_to_say([Asks("Let me look.", vec![looks()]), Says("In Ulm.")]);
    let mut wanted = asked();
    wanted["stream"] = true.into();
    wanted["stream_options"] = json!({"include_usage": true});
    let (chunks, is_done) = read(&gateway, &wanted).await;
    let deltas: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"].get(0))
        .map(|choice| (&choice["delta"], choice["finish_reason"].as_str()))
        .collect();
    assert_eq!(
        deltas,
        [
            (&json!({"role": "assistant", "content": ""}), None),
            (&json!({"content": "Let me look."}), None),
            (&json!({"content": "\n\n"}), None),
            (&json!({"content": "In Ulm."}), None),
            (&json!({}), Some("stop")),
        ]
    );
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 20);
    assert!(is_done);
    assert_eq!(rounds(&gateway).await, [10, 10]);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_answer_with_a_schema_is_that_of_the_last_round(pool: PgPool) {
    let schema =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let gateway = librarian(pool, json!({"output_schema": schema})).await;
    let lines = || [Asks("Hm.", vec![looks()]), Says(r#"{"city":"Ulm"}"#)];
    gateway.upstream.is_to_say(lines());
    let answer = gateway.ask(&asked()).await.json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], r#"{"city":"Ulm"}"#, "{answer}");
    gateway.upstream.is_to_say(lines());
    let mut wanted = asked();
    wanted["stream"] = true.into();
    let (chunks, _) = read(&gateway, &wanted).await;
    let delta = &chunks[1]["choices"][0]["delta"];
    assert_eq!(delta["content"], r#"{"city":"Ulm"}"#, "{chunks:?}");
    assert_eq!(chunks.len(), 3);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_the_client_brings_is_the_clients_to_run(pool: PgPool) {
    let gateway = librarian(pool, json!({})).await;
    let weather = || ("weather", json!({"city": "Ulm"}));
    let mut wanted = asked();
    let tool = |name: &str| json!([{"type": "function", "function": {"name": name}}]);
    wanted["tools"] = tool("weather");
    gateway
        .upstream
        .is_to_say([Asks("", vec![looks()]), Asks("", vec![looks(), weather()])]);
    let answer = gateway.ask(&wanted).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Ulm\"}"}});
    assert_eq!(choice["message"]["tool_calls"], json!([call]));
    assert_eq!(gateway.upstream.journal.requests().len(), 2);

    gateway
        .upstream
        .is_to_say([Asks("", vec![looks(), weather()])]);
    wanted["stream"] = true.into();
    let (chunks, _) = read(&gateway, &wanted).await;
    let calls: Vec<&Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls"))
        .flat_map(|calls| calls.as_array().unwrap())
        .collect();
    assert_eq!(calls[0]["function"]["name"], "weather", "{calls:?}");
    assert!(calls.iter().all(|call| call["index"] == 0), "{calls:?}");
    let end = &chunks.last().unwrap()["choices"][0];
    assert_eq!(end["finish_reason"], "tool_calls");
    assert_eq!(rounds(&gateway).await, [10, 10, 10]);

    wanted["tools"] = tool("manual");
    assert_eq!(gateway.ask(&wanted).await.code(), "tool_name_taken");
    assert_eq!(gateway.upstream.journal.requests().len(), 3);
    gateway.used().await;
    assert_eq!(gateway.tokens().await, (30, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_model_is_asked_as_often_as_its_agent_says(pool: PgPool) {
    let gateway = librarian(pool, json!({"max_rounds": 2})).await;
    let asks = || Asks("", vec![looks()]);
    gateway.upstream.is_to_say([asks(), asks()]);
    let answer = gateway.ask(&asked()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (422, "too_many_rounds".to_owned())
    );
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    let last = &gateway.upstream.journal.requests()[1];
    assert_eq!(last["tool_choice"], "none");
    assert_eq!(rounds(&gateway).await, [10, 10]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_cap_that_is_reached_between_two_rounds_ends_it_and_the_first_is_paid(pool: PgPool) {
    let tools = json!([{"type": "search_documents", "name": "manual", "limit": 20}]);
    let gateway = librarian(pool, json!({"max_tokens": 1000, "tools": tools})).await;
    price(&gateway.app.pool, &["scripted"]).await;
    // A round costs 13 millionths, and before it some 2000 are set aside for what comes out, twice where the agent is not known yet. The pages that were
    // found, 4800 tokens, go in with the next one.
    document(&gateway.app.pool, ALPHA, &"factory ".repeat(2400)).await;
    cap(&gateway, Some(4_500)).await;
    gateway.upstream.is_to_say([Asks("Hm.", vec![looks()])]);
    let refused = gateway.ask(&asked()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (402, "quota_exceeded".to_owned()),
        "{refused:?}"
    );
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert_eq!(rounds(&gateway).await, [10]);
    assert_eq!(spent(&gateway).await, (13, 0));

    // In a stream it is the last that is said.
    gateway.upstream.is_to_say([Asks("Hm.", vec![looks()])]);
    let mut wanted = asked();
    wanted["stream"] = true.into();
    let (chunks, is_done) = read(&gateway, &wanted).await;
    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], "Hm.");
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(error["code"], "quota_exceeded", "{chunks:?}");
    assert!(!is_done);
    assert_eq!(rounds(&gateway).await, [10, 10]);
    assert_eq!(spent(&gateway).await, (26, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn no_answer_of_tools_is_kept_for_those_who_ask_the_same(pool: PgPool) {
    let gateway = librarian(pool, json!({"temperature": 0})).await;
    sqlx::query("update public.tenants set answer_cache_seconds = 60 where id = $1")
        .bind(ALPHA)
        .execute(&gateway.app.pool)
        .await
        .unwrap();
    gateway.upstream.is_to_say([Says("One."), Says("Two.")]);
    for text in ["One.", "Two."] {
        let answer = gateway.ask(&asked()).await;
        assert_eq!(answer.json()["choices"][0]["message"]["content"], text);
        gateway.used().await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn who_may_not_read_agents_is_told_before_anything_is_asked(pool: PgPool) {
    let gateway = librarian(pool, json!({})).await;
    let key = ApiKey::create(&gateway.app.pool, ALPHA_OWNER, ALPHA, &["models.call"]).await;
    let request = gateway.app.post(PATH).bearer(&key.key);
    let refused = request.json(&asked()).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "forbidden".to_owned())
    );
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("the tool manual of this agent"),
        "{message}"
    );
    assert_eq!(gateway.upstream.journal.requests().len(), 0);
    assert_eq!(rounds(&gateway).await, [0; 0]);
    assert_eq!(gateway.tokens().await, (0, 0));
}

/// What an agent's workflow needs: one that is only begun.
async fn workflow(pool: &PgPool, tenant: Uuid, id: Uuid) {
    sqlx::query(
        r#"insert into public.workflows (tenant_id, id, name, status, nodes, connections)
           values ($1, $2, 'Only begun', 'active', '[{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}}]', '[]')"#,
    )
    .bind(tenant)
    .bind(id)
    .execute(pool)
    .await
    .unwrap();
}

async fn executions(pool: &PgPool) -> Vec<(Uuid, Uuid, Option<Uuid>, Value)> {
    sqlx::query_as("select tenant_id, workflow_id, started_by, input from public.executions")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_is_started_as_whoever_asks(pool: PgPool) {
    let gateway = Gateway::new(pool).await;
    let pool = &gateway.app.pool;
    let starts = |id: Uuid| json!({"tools": [{"type": "start_workflow", "workflow_id": id, "name": "order"}]});
    let lines = || {
        [
            Asks("", vec![("order", json!({"name": "Ada"}))]),
            Says("Done."),
        ]
    };
    configure(pool, starts(ALPHA_WORKFLOW)).await;
    gateway.upstream.is_to_say(lines());
    let answer = gateway.ask(&asked()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let started = [(
        ALPHA,
        ALPHA_WORKFLOW,
        Some(ALPHA_EDITOR.id),
        json!({"name": "Ada"}),
    )];
    assert_eq!(executions(pool).await, started);
    let told = gateway.upstream.journal.told();
    assert!(told[0].starts_with(r#"{"execution_id":""#), "{told:?}");

    // Who may call models, and nothing else.
    let key = ApiKey::create(pool, ALPHA_OWNER, ALPHA, &["models.call"]).await;
    gateway.upstream.is_to_say(lines());
    let request = gateway.app.post(PATH).bearer(&key.key);
    assert_eq!(request.json(&asked()).send().await.status, 200);
    assert_eq!(executions(pool).await, started);

    // Whoever writes the agent names a workflow of another tenant, in which the caller may start it.
    let elsewhere = Uuid::now_v7();
    workflow(pool, BETA, elsewhere).await;
    sqlx::query(
        "insert into public.memberships (tenant_id, user_id, role) values ($1, $2, 'owner')",
    )
    .bind(BETA)
    .bind(ALPHA_EDITOR.id)
    .execute(pool)
    .await
    .unwrap();
    configure(pool, starts(elsewhere)).await;
    // What was known of the agent is known for a second.
    let other = gateway.and_another(pool.clone(), None).await;
    gateway.upstream.is_to_say(lines());
    assert_eq!(other.ask(&asked()).await.status, 200);
    assert_eq!(
        gateway.upstream.journal.told(),
        ["there is no such workflow"]
    );
    assert_eq!(executions(pool).await, started);
}
