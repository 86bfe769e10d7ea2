//! Many at once: one key, and everything opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_ADMIN, ALPHA_OWNER};

use crate::support::TestApp;
use crate::support::secrets::{key, opened, rotate, set};

#[sqlx::test(migrations = "../migrations")]
async fn the_first_secrets_of_a_tenant_at_once_make_one_key(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let names: Vec<String> = (0..8).map(|n| format!("secret_{n}")).collect();
    let value = |name: &str| format!("the value of {name}");
    let setting = names
        .iter()
        .map(async |name: &String| set(&app, ALPHA_OWNER, name, &value(name)).await);
    let answers = join_all(setting).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    assert_eq!(key(&app.pool, ALPHA).await.1, 1, "keys");
    for name in &names {
        assert_eq!(opened(&app.pool, ALPHA, name).await, Some(value(name)));
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_name_at_once_is_one_of_both(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let (one, other) = futures::join!(
        set(&app, ALPHA_OWNER, "stripe", "that of the owner"),
        set(&app, ALPHA_ADMIN, "stripe", "that of the admin")
    );
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
    let kept = opened(&app.pool, ALPHA, "stripe").await.unwrap();
    assert!(kept.starts_with("that of the "), "{kept}");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_set_while_the_key_is_rotated_is_sealed_by_the_new_one(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for n in 0..4 {
        set(&app, ALPHA_OWNER, &format!("secret_{n}"), "round 0").await;
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
    let names: Vec<String> = (0..4).map(|n| format!("secret_{n}")).collect();
    for round in 1..=500 {
        if rotating.is_finished() {
            break;
        }
        let value = format!("round {round}");
        let setting = names
            .iter()
            .map(|name| set(&app, ALPHA_OWNER, name, &value));
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
    for name in &names {
        let sealed_by_some_rotation = opened(&app.pool, ALPHA, name).await.unwrap();
        assert!(sealed_by_some_rotation.starts_with("round "));
        set(&app, ALPHA_OWNER, name, "at last").await;
        assert_eq!(
            opened(&app.pool, ALPHA, name).await.as_deref(),
            Some("at last")
        );
    }
}
