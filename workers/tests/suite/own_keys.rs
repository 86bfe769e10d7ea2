//! A tenant's own keys to providers of models: they reach the provider and nothing else, and are never passed over in silence.

use llm::Providers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};
use uuid::Uuid;
use vault::{KeyRing, Vault};
use workers::DatabaseClock;
use workers::queue::Queue;
use workers::secrets::KeyKeeper;

use crate::support::database::{Execution, everything};
use crate::support::models::{Models, PLATFORM, REFUSED};
use crate::support::secrets::{MASTER, MASTER_IN_BASE64, delete_key, set, set_key, vault};
use crate::support::worker::Process;
use crate::support::{Stage, Worker, edges, node, trigger};

const OWN: &str = "sk-own-Hunter2Hunter2";

fn worker(stage: &Stage, models: &Models, vault: Option<Vault>) -> Worker {
    Worker::start_with(stage, &[], |config| {
        models.configure(config);
        config.vault = vault;
    })
}

async fn asking(stage: &Stage, model: &str) -> Uuid {
    let mut ask = node(
        "ask",
        json!({"kind": "chat", "model": model, "prompt": "Hello."}),
    );
    ask["retry"] = json!({"max_attempts": 3, "initial_seconds": 0.01});
    stage
        .workflow(json!([trigger(), ask]), edges(&["start->ask"]))
        .await
}

async fn ask(stage: &Stage, workflow: Uuid, status: &str) -> (Uuid, Execution) {
    let execution = stage.start(workflow, json!({})).await;
    (execution, stage.until_status(execution, status).await)
}

/// By whose key each call was paid, in order.
async fn own(pool: &PgPool) -> Vec<bool> {
    sqlx::query_scalar("select own_key from public.usage where cost_usd is null or cost_usd > 0 order by created_at, id")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn tokens(pool: &PgPool) -> (i64, i64) {
    sqlx::query_as("select used, reserved from aias.quota_status($1) where meter = 'llm_tokens'")
        .bind(ALPHA)
        .fetch_one(pool)
        .await
        .unwrap()
}

fn assert_nowhere(text: &str) {
    for trace in ["Hunter2", "SHVudGVyMi", "hunter2hunter2"] {
        if let Some(at) = text.find(trace) {
            panic!("{trace} in ...{}...", &text[at.saturating_sub(200)..at]);
        }
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn each_provider_is_called_with_it_and_no_row_has_it(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    let worker = worker(&stage, &models, Some(vault()));
    for (provider, header) in [
        ("openai", "authorization: Bearer"),
        ("anthropic", "x-api-key:"),
        ("gemini", "x-goog-api-key:"),
    ] {
        let key = format!("{OWN}-{provider}");
        set_key(&pool, &vault(), ALPHA, provider, &key).await;
        let workflow = asking(&stage, &format!("{provider}/some-model")).await;
        let (_, ended) = ask(&stage, workflow, "succeeded").await;
        assert_eq!(models.keys().last(), Some(&format!("{header} {key}")));
        // It was sent back.
        let text = ended.output.unwrap()["ask"]["text"].clone();
        let text = text.as_str().unwrap();
        assert!(
            text.starts_with("You sent ") && text.ends_with("***."),
            "{text}"
        );
    }
    worker.stop().await;
    assert_eq!(own(&pool).await, [true, true, true]);
    assert_eq!(
        tokens(&pool).await,
        (3600, 0),
        "the plan's tokens count whoever pays"
    );
    assert_nowhere(&everything(&pool).await);
}

#[sqlx::test(migrations = "../migrations")]
async fn without_one_the_platforms_is_used(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    let worker = worker(&stage, &models, Some(vault()));
    // Neither another tenant's, nor one to another provider, nor a secret that is called so.
    set_key(&pool, &vault(), BETA, "openai", OWN).await;
    set_key(&pool, &vault(), ALPHA, "gemini", OWN).await;
    set(&pool, &vault(), ALPHA, "openai", OWN).await;
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    let platform = format!("authorization: Bearer {PLATFORM}");
    ask(&stage, workflow, "succeeded").await;
    assert_eq!(models.keys().last(), Some(&platform));

    // From the next call on.
    set_key(&pool, &vault(), ALPHA, "openai", OWN).await;
    ask(&stage, workflow, "succeeded").await;
    set_key(&pool, &vault(), ALPHA, "openai", "sk-another-of-our-own").await;
    ask(&stage, workflow, "succeeded").await;
    delete_key(&pool, ALPHA, "openai").await;
    ask(&stage, workflow, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        models.keys()[1..],
        [
            format!("authorization: Bearer {OWN}"),
            "authorization: Bearer sk-another-of-our-own".to_owned(),
            platform
        ]
    );
    assert_eq!(own(&pool).await, [false, true, true, false]);
}

/// With a platform that says where the provider is, and has no key to it.
#[sqlx::test(migrations = "../migrations")]
async fn it_opens_a_provider_that_the_platform_has_no_key_to(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    let worker = Worker::start_with(&stage, &[], |config| {
        let address = models.openai_url();
        config.providers = Providers::builder()
            .openai(None, Some(&address))
            .and_then(|builder| builder.build())
            .unwrap();
        config.vault = Some(vault());
    });
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    ask(&stage, workflow, "succeeded").await;
    set_key(&pool, &vault(), ALPHA, "openai", OWN).await;
    ask(&stage, workflow, "succeeded").await;
    worker.stop().await;
    assert_eq!(
        models.keys(),
        ["none: ".to_owned(), format!("authorization: Bearer {OWN}")]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_cannot_be_opened_fails_the_step_and_calls_nobody(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    set(&pool, &vault(), ALPHA, "openai", "a secret of this name").await;
    set_key(&pool, &vault(), ALPHA, "openai", OWN).await;
    set_key(&pool, &vault(), ALPHA, "gemini", OWN).await;
    set_key(&pool, &vault(), BETA, "openai", OWN).await;
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    let copy = "update private.secret_values mine set nonce = other.nonce, ciphertext = other.ciphertext from private.secret_values other
                 where mine.tenant_id = $1 and mine.kind = 'provider_key' and mine.name = 'openai' and ";
    for (vault, change, code) in [
        (None, "", "secrets_not_configured"),
        (
            Some(Vault::new(KeyRing::of([8; 32]))),
            "",
            "master_key_unknown",
        ),
        // The secret of the same name, the key to another provider, another tenant's key to the same.
        (
            Some(vault()),
            "other.tenant_id = $1 and other.kind = 'secret' and other.name = 'openai'",
            "secret_unreadable",
        ),
        (
            Some(vault()),
            "other.tenant_id = $1 and other.kind = 'provider_key' and other.name = 'gemini'",
            "secret_unreadable",
        ),
        (
            Some(vault()),
            "other.tenant_id <> $1 and other.kind = 'provider_key' and other.name = 'openai'",
            "secret_unreadable",
        ),
    ] {
        if !change.is_empty() {
            sqlx::query(sqlx::AssertSqlSafe(format!("{copy}{change}")))
                .bind(ALPHA)
                .execute(&pool)
                .await
                .unwrap();
        }
        let worker = worker(&stage, &models, vault);
        let (execution, ended) = ask(&stage, workflow, "failed").await;
        worker.stop().await;
        let error = ended.error.unwrap();
        assert_eq!(error["code"], code, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains("openai"),
            "{error}"
        );
        assert_eq!(
            stage.summary(execution).await,
            ["ask:failed:1", "start:succeeded:1"],
            "it is not tried again"
        );
    }
    assert_eq!(
        models.keys(),
        [""; 0],
        "nobody was called, with whatever key"
    );
    assert_eq!(
        tokens(&pool).await,
        (0, 0),
        "what was set aside is given back"
    );
    assert_nowhere(&everything(&pool).await);

    // A provider without an own key is nobody's concern.
    delete_key(&pool, ALPHA, "openai").await;
    let worker = worker(&stage, &models, None);
    ask(&stage, workflow, "succeeded").await;
    worker.stop().await;
    assert_eq!(models.keys().len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn one_that_the_provider_refuses_is_not_replaced_and_not_repeated(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    set_key(&pool, &vault(), ALPHA, "openai", REFUSED).await;
    let worker = worker(&stage, &models, Some(vault()));
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    let (_, ended) = ask(&stage, workflow, "failed").await;
    worker.stop().await;
    let error = ended.error.unwrap();
    assert_eq!(error["code"], "llm_authentication", "{error}");
    assert!(!error.to_string().contains(REFUSED), "{error}");
    assert_eq!(models.keys(), [format!("authorization: Bearer {REFUSED}")]);
    let all = everything(&pool).await;
    assert!(!all.contains(REFUSED));
}

/// Both keys are changed and the tenant's is set anew and deleted, while steps call.
#[sqlx::test(migrations = "../migrations")]
async fn calls_go_on_while_everything_is_rotated(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    let both = || Vault::new(KeyRing::of(MASTER).with_newest([9; 32]));
    set_key(&pool, &vault(), ALPHA, "openai", OWN).await;
    set(&pool, &vault(), ALPHA, "openai", "a secret of this name").await;
    let worker = worker(&stage, &models, Some(both()));
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    let queue = Queue::new(
        stage.worker_options(),
        "keeper",
        Arc::new(DatabaseClock::default()),
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let keepers = [(); 2].map(|()| {
        let keeper = KeyKeeper::new(queue.clone(), both());
        let (pool, is_over) = (pool.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                sqlx::query("select private.ask_for_key_rotation($1)")
                    .bind(ALPHA)
                    .execute(&pool)
                    .await
                    .unwrap();
                keeper.turn().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    let setter = {
        let (pool, is_over) = (pool.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                delete_key(&pool, ALPHA, "openai").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                set_key(&pool, &both(), ALPHA, "openai", OWN).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    for _ in 0..10 {
        let mut executions = Vec::new();
        for _ in 0..5 {
            executions.push(stage.start(workflow, json!({})).await);
        }
        for execution in executions {
            stage.until_status(execution, "succeeded").await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for task in keepers.into_iter().chain([setter]) {
        task.await.unwrap();
    }
    worker.stop().await;

    let keys = models.keys();
    assert_eq!(keys.len(), 50, "one call each");
    let by_own = keys.iter().filter(|key| key.ends_with(OWN)).count();
    let by_platform = keys.iter().filter(|key| key.ends_with(PLATFORM)).count();
    assert_eq!(by_own + by_platform, 50, "{keys:?}");
    let told = own(&pool).await;
    assert_eq!(told.iter().filter(|own| **own).count(), by_own);
    let generation: i32 =
        sqlx::query_scalar("select generation from private.tenant_keys where tenant_id = $1")
            .bind(ALPHA)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert!(generation > 1, "no rotation came through");
    assert_nowhere(&everything(&pool).await);
}

/// In a process of its own, at the chattiest level.
#[sqlx::test(migrations = "../migrations")]
async fn no_log_has_it(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let models = Models::start().await;
    let path = std::env::temp_dir().join(format!("aias-worker-log-{}", Uuid::now_v7()));
    let process = Process::logging_to(
        &stage,
        std::fs::File::create(&path).unwrap(),
        &[
            ("RUST_LOG", "trace"),
            ("AIAS_MASTER_KEY", MASTER_IN_BASE64),
            ("OPENAI_API_KEY", PLATFORM),
            ("OPENAI_BASE_URL", &models.openai_url()),
        ],
    );
    let workflow = asking(&stage, "openai/gpt-4o-mini").await;
    for (key, status) in [(OWN, "succeeded"), (REFUSED, "failed")] {
        set_key(&pool, &vault(), ALPHA, "openai", key).await;
        ask(&stage, workflow, status).await;
    }
    process.kill();
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        models.keys(),
        [OWN, REFUSED].map(|key| format!("authorization: Bearer {key}"))
    );
    assert!(written.contains("TRACE"), "{} bytes", written.len());
    for key in [OWN, REFUSED, PLATFORM] {
        assert!(!written.contains(key), "{key}");
    }
}
