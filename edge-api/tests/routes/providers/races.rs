//! Many at once: one data key, and everything opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_OWNER};

use crate::support::providers::{opened, set};
use crate::support::secrets::{self, key, rotate};
use crate::support::{Answer, TestApp};

const PROVIDERS: [&str; 3] = ["anthropic", "gemini", "openai"];

/// Keys to providers and secrets are under the same data key.
#[sqlx::test(migrations = "../migrations")]
async fn the_first_of_a_tenant_at_once_make_one_data_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let value = |name: &str| format!("that-of-{name}");
    let keys = PROVIDERS.map(async |name| set(&app, ALPHA_OWNER, name, &value(name)).await);
    let others = PROVIDERS.map(async |name| secrets::set(&app, ALPHA_OWNER, name, name).await);
    let (keys, others) = futures::join!(join_all(keys), join_all(others));
    let all: Vec<Answer> = keys.into_iter().chain(others).collect();
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(key(&app.pool, ALPHA).await.1, 1, "data keys");
    for name in PROVIDERS {
        assert_eq!(opened(&app.pool, name).await, Some(value(name)));
        let secret = secrets::opened(&app.pool, ALPHA, name).await;
        assert_eq!(secret.as_deref(), Some(name));
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_provider_at_once_is_one_of_both(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (one, other) = futures::join!(
        set(&app, ALPHA_OWNER, "openai", "that-of-somebody-0wner"),
        set(&app, ALPHA_ADMIN, "openai", "that-of-somebody-adm1n")
    );
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
    let kept = opened(&app.pool, "openai").await.unwrap();
    // And the row says the same as the value.
    let (last_four, set_by): (String, uuid::Uuid) =
        sqlx::query_as("select last_four, set_by from public.provider_keys")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(kept.ends_with(&last_four), "{kept} {last_four}");
    let who = if kept.ends_with("0wner") {
        ALPHA_OWNER
    } else {
        ALPHA_ADMIN
    };
    assert_eq!(set_by, who.id);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_set_while_the_data_key_is_rotated_is_sealed_by_the_new_one(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for name in PROVIDERS {
        set(&app, ALPHA_OWNER, name, "round-of-0").await;
    }
    let rotated = Arc::new(AtomicI32::new(0));
    let rotating = tokio::spawn({
        let (pool, rotated) = (app.pool.clone(), Arc::clone(&rotated));
        async move {
            while rotated.load(Ordering::Relaxed) < 5 {
                rotated.fetch_add(i32::from(rotate(&pool).await), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    for round in 1..=500 {
        if rotating.is_finished() {
            break;
        }
        let value = format!("round-of-{round}");
        let setting = PROVIDERS.map(|name| set(&app, ALPHA_OWNER, name, &value));
        for answer in join_all(setting).await {
            // Who is passed by a rotation again and again is told to come back, and nothing is lost.
            assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
        }
        // A rotation gives way to whoever sets something, so it needs a moment in which nobody does.
        tokio::time::sleep(Duration::from_millis(round % 40)).await;
    }
    rotating.await.unwrap();

    let (now, keys) = key(&app.pool, ALPHA).await;
    assert_eq!(keys, 1);
    assert_eq!(now.place().generation, 1 + rotated.load(Ordering::Relaxed));
    for name in PROVIDERS {
        let sealed_by_some_rotation = opened(&app.pool, name).await.unwrap();
        assert!(sealed_by_some_rotation.starts_with("round-of-"));
    }
}
