//! Agents that use tools: what is run, what the model is told, and what is paid.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_AGENT};
use uuid::Uuid;

use crate::support::scripted::{Line, Scripted};
use crate::support::worker::openai_at;
use crate::support::{Server, Stage, Worker, edges, node, secrets, trigger};

/// Gives Alpha's agent these fields of a config.
async fn configure(pool: &PgPool, config: Value) {
    sqlx::query("update public.ai_agents set config = $1 where id = $2")
        .bind(config)
        .bind(ALPHA_AGENT)
        .execute(pool)
        .await
        .unwrap();
}

/// An execution of a workflow with one step, that asks the agent.
async fn ask(stage: &Stage, more: Value) -> Uuid {
    let mut ask = node(
        "ask",
        json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Go."}),
    );
    for (name, value) in more.as_object().into_iter().flatten() {
        ask[name] = value.clone();
    }
    let workflow = stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await;
    stage.start(workflow, json!({})).await
}

fn worker(stage: &Stage, allowed: &[&Server], model: &Scripted) -> Worker {
    Worker::start_with(stage, allowed, |config| {
        config.providers = openai_at(&model.url);
        config.vault = Some(secrets::vault());
    })
}

/// Of the plan, used and set aside; of the step, input and output; and the keys of the usage rows without the execution's id.
async fn paid(
    pool: &PgPool,
    execution: Uuid,
) -> ((i64, i64), (Option<i64>, Option<i64>), Vec<String>) {
    let plan = sqlx::query_as(
        "select used, reserved from aias.quota_status($1) where meter = 'llm_tokens'",
    )
    .bind(ALPHA)
    .fetch_one(pool)
    .await
    .unwrap();
    let step = sqlx::query_as(
        "select input_tokens, output_tokens from public.execution_steps where execution_id = $1 and node_id = 'ask'",
    )
    .bind(execution)
    .fetch_one(pool)
    .await
    .unwrap();
    let keys = sqlx::query_scalar(
        "select replace(idempotency_key, $1::text, 'E') from public.usage where execution_id = $1 order by id",
    )
    .bind(execution)
    .fetch_all(pool)
    .await
    .unwrap();
    (plan, step, keys)
}

fn echo_tool(server: &Server) -> Value {
    json!({"type": "http", "name": "echo", "description": "Says what it was sent.", "allow": [server.url("/echo")], "methods": ["GET", "POST"],
           "headers": {"X-Key": "Bearer {{ secrets.key }}"}})
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tool_is_run_and_each_round_is_paid_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    secrets::set(&pool, &secrets::vault(), ALPHA, "key", "hunter2hunter2").await;
    configure(&pool, json!({"tools": [echo_tool(&server)]})).await;
    let model = Scripted::start([
        Line::Asks(vec![
            (
                "echo",
                json!({"url": server.url("/echo"), "method": "POST", "body": "{{ secrets.key }}"}),
            ),
            (
                "echo",
                json!({"url": server.url("/echo"), "query": {"a": 1}}),
            ),
        ]),
        Line::Says("It came back."),
    ])
    .await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(&stage, json!({})).await;
    let ended = stage.until_status(execution, "succeeded").await;
    worker.stop().await;

    assert_eq!(
        ended.output.unwrap()["ask"],
        json!({"text": "It came back.", "model": "openai/gpt-4o-mini", "finish_reason": "stop",
               "usage": {"input_tokens": 2000, "output_tokens": 400}, "rounds": 2, "tools_run": [
                   {"round": 1, "name": "echo", "is_error": false}, {"round": 1, "name": "echo", "is_error": false}]})
    );
    assert_eq!(
        paid(&pool, execution).await,
        (
            (2400, 0),
            (Some(2000), Some(400)),
            vec![
                "execution:E:ask:1".to_owned(),
                "execution:E:ask:1:round2".to_owned()
            ]
        )
    );
    assert_eq!(server.counts.of("x-key: Bearer hunter2hunter2"), 2);
    assert_eq!(
        server.counts.of("body: {{ secrets.key }}"),
        1,
        "what a model writes is no template"
    );
    let told = model.told();
    assert!(told[0].contains(r#""method":"POST""#), "{told:?}");
    assert!(told[1].contains("/echo?a=1"), "{told:?}");
    assert!(
        !model
            .requests()
            .iter()
            .any(|request| request.to_string().contains("hunter2"))
    );
    let parameters = &model.requests()[0]["tools"][0]["function"]["parameters"];
    assert_eq!(
        parameters["properties"]["method"]["enum"],
        json!(["GET", "POST"])
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_used_is_paid_although_a_later_round_fails(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tool = json!({"type": "http", "name": "get", "allow": [server.url("/")]});
    configure(&pool, json!({"tools": [tool]})).await;
    let asks = || Line::Asks(vec![("get", json!({"url": server.url("/count/a")}))]);
    let model = Scripted::start([asks(), Line::Breaks, asks(), Line::Says("At last.")]).await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(
        &stage,
        json!({"retry": {"max_attempts": 2, "initial_seconds": 0.01}}),
    )
    .await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        stage.summary(execution).await,
        ["ask:succeeded:2", "start:succeeded:1"]
    );
    assert_eq!(
        paid(&pool, execution).await,
        (
            (3600, 0),
            (Some(3000), Some(600)),
            [
                "execution:E:ask:1",
                "execution:E:ask:2",
                "execution:E:ask:2:round2"
            ]
            .map(str::to_owned)
            .to_vec()
        )
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_request_stays_below_what_is_allowed(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (server, other) = (Server::start().await, Server::start().await);
    let tool = json!({"type": "http", "name": "get", "allow": [server.url("/to/"), server.url("/status/")]});
    configure(&pool, json!({"tools": [tool]})).await;
    let model = Scripted::start([
        Line::Asks(vec![
            ("get", json!({"url": server.url("/count/elsewhere")})),
            ("get", json!({"url": format!("{}{}", server.url("/to/302/"), other.url("/count/elsewhere"))})),
            ("get", json!({"url": server.url("/status/503")})),
            ("get", json!({"url": server.url("/to/302/x"), "method": "DELETE"})),
            ("got", json!({})),
        ]),
        Line::Says("So be it."),
    ])
    .await;
    let worker = worker(&stage, &[&server, &other], &model);
    let execution = ask(&stage, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let told = model.told();
    assert!(
        told[0].ends_with("/count/elsewhere: is not among the allowed addresses"),
        "{told:?}"
    );
    assert!(
        told[1].ends_with("/count/elsewhere: is not among the allowed addresses"),
        "{told:?}"
    );
    assert!(
        told[2].ends_with("answered 503 Service Unavailable\nthe body"),
        "{told:?}"
    );
    assert_eq!(told[3], "the method is not GET");
    assert_eq!(told[4], "there is no tool got");
    assert_eq!(
        (server.counts.of("elsewhere"), other.counts.of("elsewhere")),
        (0, 0)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tool_reaches_no_private_address(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tool = json!({"type": "http", "name": "get", "allow": [server.url("/")]});
    configure(&pool, json!({"tools": [tool]})).await;
    let model = Scripted::start([
        Line::Asks(vec![("get", json!({"url": server.url("/count/private")}))]),
        Line::Says("Pity."),
    ])
    .await;
    let worker = worker(&stage, &[], &model);
    let execution = ask(&stage, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert!(
        model.told()[0].contains("is not a public address"),
        "{:?}",
        model.told()
    );
    assert_eq!(server.counts.of("private"), 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_workflow_is_started_and_not_waited_for(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let pause = node("pause", json!({"kind": "delay", "seconds": 900}));
    let other = stage
        .workflow(json!([trigger(), pause]), edges(&["start->pause"]))
        .await;
    let tools = json!([{"type": "start_workflow", "workflow_id": other, "name": "begin"},
                       {"type": "start_workflow", "workflow_id": Uuid::nil(), "name": "nothing"}]);
    configure(&pool, json!({"tools": tools})).await;
    let model = Scripted::start([
        Line::Asks(vec![
            ("begin", json!({"n": 1})),
            ("begin", json!({"n": 2})),
            ("nothing", json!({})),
        ]),
        Line::Says("They run."),
    ])
    .await;
    let worker = worker(&stage, &[], &model);
    let execution = ask(&stage, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    stage
        .until(execution, "select $1 is not null and count(*) = 2 from public.executions where depth = 1 and origin = 'call' and status = 'waiting'")
        .await;
    let told = model.told();
    let inputs: Vec<Value> = sqlx::query_scalar(
        "select input from public.executions where depth = 1 and format('{\"execution_id\":\"%s\"}', id) = any ($1) order by input ->> 'n'",
    )
    .bind(&told)
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(inputs, [json!({"n": 1}), json!({"n": 2})]);
    assert_eq!(
        told[2],
        format!(
            "there is no workflow {} in this tenant; it was probably deleted",
            Uuid::nil()
        )
    );
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_function_that_is_only_declared_is_the_output(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tools = json!([{"type": "http", "name": "get", "allow": [server.url("/")]},
                       {"type": "function", "function": {"name": "decide"}}]);
    configure(&pool, json!({"tools": tools})).await;
    let model = Scripted::start([
        Line::Asks(vec![("get", json!({"url": server.url("/count/a")}))]),
        Line::Asks(vec![
            ("decide", json!({"yes": true})),
            ("get", json!({"url": server.url("/count/b")})),
        ]),
    ])
    .await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(&stage, json!({})).await;
    let output = stage
        .until_status(execution, "succeeded")
        .await
        .output
        .unwrap();
    worker.stop().await;
    let calls = &output["ask"]["tool_calls"];
    assert_eq!(
        (&calls[0]["name"], &calls[0]["arguments"]),
        (&json!("decide"), &json!({"yes": true}))
    );
    assert_eq!((server.counts.of("a"), server.counts.of("b")), (1, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_model_that_does_not_come_to_an_end_is_stopped(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tools = json!([{"type": "http", "name": "get", "allow": [server.url("/")]}]);
    configure(&pool, json!({"tools": tools, "max_rounds": 3})).await;
    let model = Scripted::start([Line::Asks(vec![(
        "get",
        json!({"url": server.url("/count/a")}),
    )])])
    .await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(&stage, json!({"retry": {"max_attempts": 3}})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "too_many_rounds", "{error}");
    assert_eq!(model.requests()[2]["tool_choice"], "none");
    assert_eq!(server.counts.of("a"), 2);
    let (plan, step, keys) = paid(&pool, execution).await;
    assert_eq!(
        (plan, step, keys.len()),
        ((3600, 0), (Some(3000), Some(600)), 3)
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_step_that_is_cancelled_has_paid_for_the_rounds_before(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tools = json!([{"type": "http", "name": "get", "allow": [server.url("/")]}]);
    configure(&pool, json!({"tools": tools})).await;
    let slow = json!({"url": server.url("/slow/600000/slow")});
    let model = Scripted::start([Line::Asks(vec![("get", slow)])]).await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(&stage, json!({})).await;
    stage
        .until(execution, "select input_tokens = 1000 from public.execution_steps where execution_id = $1 and node_id = 'ask'")
        .await;
    stage.cancel(execution).await;
    stage.until_status(execution, "cancelled").await;
    worker.stop().await;
    assert_eq!(
        paid(&pool, execution).await,
        (
            (1200, 0),
            (Some(1000), Some(200)),
            vec!["execution:E:ask:1".to_owned()]
        )
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_round_that_the_plan_has_no_tokens_for_is_not_begun(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let tools = json!([{"type": "http", "name": "get", "allow": [server.url("/")]}]);
    configure(&pool, json!({"tools": tools})).await;
    sqlx::query("update tenants set limit_overrides = '{\"llm_tokens\": 1500}' where id = $1")
        .bind(ALPHA)
        .execute(&pool)
        .await
        .unwrap();
    let model = Scripted::start([Line::Asks(vec![(
        "get",
        json!({"url": server.url("/count/a")}),
    )])])
    .await;
    let worker = worker(&stage, &[&server], &model);
    let execution = ask(&stage, json!({})).await;
    let error = stage.until_status(execution, "failed").await.error.unwrap();
    worker.stop().await;
    assert_eq!(error["code"], "quota_exceeded", "{error}");
    assert_eq!(model.requests().len(), 1);
    assert_eq!(paid(&pool, execution).await.0, (1200, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_node_says_names_no_secrets(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    secrets::set(&pool, &secrets::vault(), ALPHA, "key", "hunter2hunter2").await;
    configure(&pool, json!({})).await;
    let model = Scripted::start([
        Line::Asks(vec![("echo", json!({"url": server.url("/echo")}))]),
        Line::Says("Done."),
    ])
    .await;
    let worker = worker(&stage, &[&server], &model);
    let config = json!({"kind": "chat", "agent_id": ALPHA_AGENT, "prompt": "Go.", "tools": [
        {"type": "http", "name": "echo", "allow": [server.url("/")], "headers": {"X-Key": "{{ secrets.key }}"}}]});
    let workflow = stage
        .workflow(
            json!([trigger(), node("ask", config)]),
            edges(&["start->ask"]),
        )
        .await;
    let execution = stage.start(workflow, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        server.counts.of("x-key: {{ secrets.key }}"),
        1,
        "{:?}",
        server.counts.all()
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn an_agent_looks_up_what_its_documents_say(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    configure(
        &pool,
        json!({"tools": [{"type": "search_documents", "limit": 1}]}),
    )
    .await;
    for (title, content) in [
        ("Returns", "Goods may be returned within 30 days."),
        ("Hours", "We are open on Mondays."),
    ] {
        sqlx::query("insert into public.agent_documents (tenant_id, agent_id, title, content) values ($1, $2, $3, $4)")
            .bind(ALPHA)
            .bind(ALPHA_AGENT)
            .bind(title)
            .bind(content)
            .execute(&pool)
            .await
            .unwrap();
    }
    let model = Scripted::start([
        Line::Asks(vec![
            (
                "search_documents",
                json!({"query": "How do I return goods?"}),
            ),
            ("search_documents", json!({"query": "nonsense"})),
            ("search_documents", json!({"question": "what?"})),
        ]),
        Line::Says("Within 30 days."),
    ])
    .await;
    let worker = worker(&stage, &[], &model);
    let execution = ask(&stage, json!({})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    let told = model.told();
    assert_eq!(
        serde_json::from_str::<Value>(&told[0]).unwrap(),
        json!([{"title": "Returns", "position": 1, "text": "Goods may be returned within 30 days."}])
    );
    assert_eq!(told[1..], ["[]", "query is not text"]);
}
