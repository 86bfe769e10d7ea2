//! Secrets in HTTP steps: they reach the server, and nothing else.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};
use uuid::Uuid;

use crate::support::database::{Execution, everything};
use crate::support::secrets::{MASTER_IN_BASE64, set, vault};
use crate::support::worker::Process;
use crate::support::{Server, Stage, Worker, edges, node, trigger};

const VALUE: &str = "sk_live_Hunter2/Hunter2+é\"x";

fn keyed(stage: &Stage, servers: &[&Server]) -> Worker {
    Worker::start_with(stage, servers, |config| config.vault = Some(vault()))
}

/// Runs one HTTP step and a transform behind it that looks at what it brought home.
async fn run(stage: &Stage, worker: Worker, config: Value, status: &str) -> (Uuid, Execution) {
    let mut call = node("call", config);
    call["retry"] = json!({"max_attempts": 3, "initial_seconds": 0.05});
    let look = node(
        "look",
        json!({"kind": "transform", "output": {"seen": "{{ steps.call.output }}"}}),
    );
    let workflow = stage
        .workflow(
            json!([trigger(), call, look]),
            edges(&["start->call", "call->look"]),
        )
        .await;
    let execution = stage.start(workflow, json!({})).await;
    let ended = stage.until_status(execution, status).await;
    worker.stop().await;
    (execution, ended)
}

fn assert_nowhere(text: &str) {
    for trace in ["Hunter2", "SHVudGVyMi", "HUNTER2"] {
        if let Some(at) = text.find(trace) {
            panic!("{trace} in ...{}...", &text[at.saturating_sub(200)..at]);
        }
    }
}

fn everywhere_in(server: &Server) -> Value {
    json!({"kind": "http", "method": "POST", "url": server.url("/echo?path={{ secrets.stripe | urlencode }}"),
           "headers": {"X-Plain": "a {{ secrets.plain }}", "X-Loud": "{{ secrets.plain | upper }}"},
           "query": {"q": "{{ secrets.stripe }}"},
           "auth": {"kind": "basic", "username": "me", "password": "{{ secrets.plain }}"},
           "body": {"key": "{{ secrets.stripe }}", "text": "and {{ secrets.plain }}"}})
}

#[sqlx::test(migrations = "../migrations")]
async fn a_secret_reaches_the_server_and_no_record(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), ALPHA, "stripe", VALUE).await;
    set(&pool, &vault(), ALPHA, "plain", "Hunter2Hunter2").await;
    let (execution, ended) = run(
        &stage,
        keyed(&stage, &[&server]),
        everywhere_in(&server),
        "succeeded",
    )
    .await;

    // me:Hunter2Hunter2
    assert_eq!(
        server
            .counts
            .of("authorization: Basic bWU6SHVudGVyMkh1bnRlcjI="),
        1,
        "{:?}",
        server.counts.all()
    );
    assert_eq!(server.counts.of("x-plain: a Hunter2Hunter2"), 1);
    assert_eq!(server.counts.of("x-loud: HUNTER2HUNTER2"), 1);
    let body = json!({"key": VALUE, "text": "and Hunter2Hunter2"}).to_string();
    assert_eq!(
        server.counts.of(&format!("body: {body}")),
        1,
        "{:?}",
        server.counts.all()
    );

    // What the server sent back, as the next step sees it.
    let seen = &ended.output.unwrap()["look"]["seen"]["body"];
    assert_eq!(seen["headers"]["x-plain"], "***");
    assert_eq!(seen["headers"]["authorization"], "Basic ***=");
    assert_eq!(seen["body"], r#"{"key":"***","text":"***"}"#);
    let input: Value = stage
        .ask_queue(
            "select input from public.execution_steps where execution_id = $1 and node_id = 'call'",
            execution,
        )
        .await;
    assert_eq!(
        input["auth"],
        json!({"kind": "basic", "username": "me", "password": "***"})
    );
    assert_eq!(input["headers"]["X-Plain"], "a ***");
    assert_eq!(input["body"], json!({"key": "***", "text": "and ***"}));
    assert_nowhere(&everything(&pool).await);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_failure_that_sends_it_back_is_masked_too(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), ALPHA, "plain", "Hunter2Hunter2").await;
    let config = json!({"kind": "http", "method": "POST", "url": server.url("/refuse/{{ secrets.plain }}"),
                        "body": format!("{}{{{{ secrets.plain }}}}", "x".repeat(1_990))});
    let (execution, ended) = run(&stage, keyed(&stage, &[&server]), config, "failed").await;
    let error = ended.error.unwrap();
    assert_eq!(error["code"], "http_status");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("/refuse/***: answered 400"),
        "{error}"
    );
    let error: Value = stage
        .ask_queue(
            "select error from public.execution_steps where execution_id = $1 and node_id = 'call'",
            execution,
        )
        .await;
    // The secret began within what is shown of the body and ended behind it.
    assert!(
        error["details"]["body"].as_str().unwrap().ends_with("***"),
        "{error}"
    );
    assert_nowhere(&everything(&pool).await);
}

/// In a process of its own, at the chattiest level.
#[sqlx::test(migrations = "../migrations")]
async fn no_log_has_it(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), ALPHA, "stripe", VALUE).await;
    set(&pool, &vault(), ALPHA, "plain", "Hunter2Hunter2").await;
    let log = tempfile();
    let process = Process::logging_to(
        &stage,
        std::fs::File::create(&log).unwrap(),
        &[
            ("RUST_LOG", "trace"),
            ("AIAS_HTTP_ALLOW", &server.address.to_string()),
            ("AIAS_MASTER_KEY", MASTER_IN_BASE64),
        ],
    );
    for (path, status) in [("/echo", "succeeded"), ("/refuse/x", "failed")] {
        let mut config = everywhere_in(&server);
        config["url"] = json!(server.url(path));
        let workflow = stage
            .workflow(
                json!([trigger(), node("call", config)]),
                edges(&["start->call"]),
            )
            .await;
        let execution = stage.start(workflow, json!({})).await;
        stage.until_status(execution, status).await;
    }
    process.kill();
    let written = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(written.contains("TRACE"), "{} bytes", written.len());
    assert_nowhere(&written);
    assert!(!written.contains(MASTER_IN_BASE64));
}

fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("aias-worker-log-{}", Uuid::now_v7()))
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_missing_is_named_and_not_waited_for(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    // Another tenant's of the same name is another one.
    set(&pool, &vault(), BETA, "stripe", VALUE).await;
    let config = json!({"kind": "http", "url": server.url("/count/x"), "auth": {"kind": "bearer", "token": "{{ secrets.stripe }}"}});
    let (execution, ended) = run(&stage, keyed(&stage, &[&server]), config, "failed").await;
    let error = ended.error.unwrap();
    assert_eq!(error["code"], "secret_not_found");
    assert!(
        error["message"].as_str().unwrap().contains("stripe"),
        "{error}"
    );
    assert_eq!(server.counts.of("x"), 0, "nothing was called");
    assert!(
        stage
            .summary(execution)
            .await
            .contains(&"call:failed:1".to_owned()),
        "it is not tried again"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_row_that_was_copied_from_another_tenant_does_not_open(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), BETA, "stripe", VALUE).await;
    set(&pool, &vault(), ALPHA, "other", "of our own").await;
    let config = json!({"kind": "http", "url": server.url("/count/x"), "auth": {"kind": "bearer", "token": "{{ secrets.stripe }}"}});
    for copy in [
        // The value alone; and the key along with it.
        "with s as (insert into public.tenant_secrets (tenant_id, name) values ($1, 'stripe'))
         insert into private.secret_values select $1, name, key_generation, nonce, ciphertext from private.secret_values where tenant_id = $2",
        "update private.tenant_keys k set wrapped = theirs.wrapped from private.tenant_keys theirs where k.tenant_id = $1 and theirs.tenant_id = $2",
    ] {
        sqlx::query(copy).bind(ALPHA).bind(BETA).execute(&pool).await.unwrap();
        let (_, ended) = run(&stage, keyed(&stage, &[&server]), config.clone(), "failed").await;
        let code = ended.error.unwrap()["code"].clone();
        assert!(code == "secret_unreadable" || code == "data_key_unreadable", "{code}");
    }
    assert_eq!(server.counts.of("x"), 0);
}

#[sqlx::test(migrations = "../migrations")]
async fn without_a_master_key_the_step_says_so(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), ALPHA, "stripe", VALUE).await;
    let config = json!({"kind": "http", "url": server.url("/count/x"), "headers": {"A": "{{ secrets.stripe }}"}});
    let (_, ended) = run(
        &stage,
        Worker::start(&stage, &[&server]),
        config.clone(),
        "failed",
    )
    .await;
    assert_eq!(ended.error.unwrap()["code"], "secrets_not_configured");
    let other = Worker::start_with(&stage, &[&server], |config| {
        config.vault = Some(vault::Vault::new(vault::KeyRing::of([8; 32])));
    });
    let (_, ended) = run(&stage, other, config, "failed").await;
    assert_eq!(ended.error.unwrap()["code"], "master_key_unknown");
}

#[sqlx::test(migrations = "../migrations")]
async fn the_next_call_has_what_was_set_last(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    let worker = keyed(&stage, &[&server]);
    let call = node(
        "call",
        json!({"kind": "http", "url": server.url("/echo"), "headers": {"X-Plain": "{{ secrets.token }}"}}),
    );
    let workflow = stage
        .workflow(json!([trigger(), call]), edges(&["start->call"]))
        .await;
    for value in ["first value", "second value"] {
        set(&pool, &vault(), ALPHA, "token", value).await;
        let execution = stage.start(workflow, json!({})).await;
        stage.until_status(execution, "succeeded").await;
        assert_eq!(server.counts.of(&format!("x-plain: {value}")), 1);
    }
    sqlx::query("delete from public.tenant_secrets where tenant_id = $1")
        .bind(ALPHA)
        .execute(&pool)
        .await
        .unwrap();
    let execution = stage.start(workflow, json!({})).await;
    let ended = stage.until_status(execution, "failed").await;
    assert_eq!(ended.error.unwrap()["code"], "secret_not_found");
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_items_of_a_list_use_secrets_too(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let server = Server::start().await;
    set(&pool, &vault(), ALPHA, "token", "Hunter2Hunter2").await;
    let each = node(
        "each",
        json!({"kind": "for_each", "items": "{{ input.list }}", "do": {
        "kind": "http", "url": server.url("/echo"), "headers": {"X-Plain": "{{ item }} {{ secrets.token }}"}}}),
    );
    let workflow = stage
        .workflow(json!([trigger(), each]), edges(&["start->each"]))
        .await;
    let worker = keyed(&stage, &[&server]);
    let execution = stage.start(workflow, json!({"list": ["one", "two"]})).await;
    stage.until_status(execution, "succeeded").await;
    worker.stop().await;
    for item in ["one", "two"] {
        assert_eq!(
            server.counts.of(&format!("x-plain: {item} Hunter2Hunter2")),
            1
        );
    }
    assert_nowhere(&everything(&pool).await);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_redirect_to_another_origin_carries_no_secret(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let (server, other) = (Server::start().await, Server::start().await);
    set(&pool, &vault(), ALPHA, "token", "Hunter2Hunter2").await;
    let to = |target: &Server| server.url(&format!("/to/307/{}", target.url("/echo")));
    let config = |url: String, body: &str| {
        json!({"kind": "http", "method": "POST", "url": url, "body": body,
               "headers": {"X-Plain": "{{ secrets.token }}", "X-Open": "yes"}, "auth": {"kind": "bearer", "token": "{{ secrets.token }}"}})
    };
    let worker = || keyed(&stage, &[&server, &other]);
    run(
        &stage,
        worker(),
        config(to(&server), "{{ secrets.token }}"),
        "succeeded",
    )
    .await;
    assert_eq!(
        server.counts.of("authorization: Bearer Hunter2Hunter2"),
        1,
        "the same origin"
    );
    assert_eq!(server.counts.of("body: Hunter2Hunter2"), 1);

    run(
        &stage,
        worker(),
        config(to(&other), "nothing secret"),
        "succeeded",
    )
    .await;
    assert_eq!(other.counts.of("x-open: yes"), 1);
    // The body would be sent along by 307, whoever is asked next.
    let (_, ended) = run(
        &stage,
        worker(),
        config(to(&other), "a {{ secrets.token }}"),
        "failed",
    )
    .await;
    assert_eq!(ended.error.unwrap()["code"], "http_redirect");
    assert_nowhere(&format!("{:?}", other.counts.all()));
}
