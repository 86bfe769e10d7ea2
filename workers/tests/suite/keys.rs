//! Keys of tenants: wrapped by the newest master key, and rotated, beside those who set secrets.

use sqlx::PgPool;
use tests::seed::{ALPHA, BETA};
use vault::{KeyRing, Vault};
use workers::DatabaseClock;
use workers::queue::Queue;
use workers::secrets::KeyKeeper;

use crate::support::Stage;
use crate::support::secrets::{MASTER, opened, set, set_key, vault};

fn queue(stage: &Stage) -> Queue {
    Queue::new(
        stage.worker_options(),
        "keeper",
        std::sync::Arc::new(DatabaseClock::default()),
    )
}

fn both() -> Vault {
    Vault::new(KeyRing::of(MASTER).with_newest([9; 32]))
}

async fn masters(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as("select * from private.master_keys_in_use()")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn until_idle(keeper: &KeyKeeper) {
    while keeper.turn().await.unwrap() {}
}

async fn ask_for_rotation(pool: &PgPool) {
    sqlx::query("select private.ask_for_key_rotation($1)")
        .bind(ALPHA)
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn a_newer_master_key_wraps_what_the_older_one_did(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    set(&pool, &vault(), ALPHA, "a", "of alpha").await;
    set_key(&pool, &vault(), BETA, "openai", "of beta").await;
    let keeper = KeyKeeper::new(queue(&stage), both());
    until_idle(&keeper).await;
    assert_eq!(
        masters(&pool).await,
        [(both().newest_master_key().to_owned(), 2)]
    );
    // The older one may go now.
    let newer = Vault::new(KeyRing::of([9; 32]));
    assert_eq!(
        opened(&pool, &newer, ALPHA).await,
        (1, vec![("a".to_owned(), "of alpha".to_owned())])
    );
    assert_eq!(opened(&pool, &newer, BETA).await.1[0].1, "of beta");
    until_idle(&keeper).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_key_that_does_not_open_holds_up_no_other(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    set(&pool, &vault(), ALPHA, "a", "of alpha").await;
    set(&pool, &vault(), BETA, "b", "of beta").await;
    sqlx::query("update private.tenant_keys set master_key_id = 'mk_gone' where tenant_id = $1")
        .bind(ALPHA)
        .execute(&pool)
        .await
        .unwrap();
    let error = KeyKeeper::new(queue(&stage), both())
        .turn()
        .await
        .unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.contains(&ALPHA.to_string()) && said.contains("mk_gone"),
        "{said}"
    );
    assert_eq!(
        masters(&pool).await,
        [
            (both().newest_master_key().to_owned(), 1),
            ("mk_gone".to_owned(), 1)
        ]
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rotated_key_has_sealed_everything_anew(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    for name in ["a", "b", "openai"] {
        set(&pool, &vault(), ALPHA, name, &format!("value {name}")).await;
    }
    for name in ["gemini", "openai"] {
        set_key(&pool, &vault(), ALPHA, name, &format!("key {name}")).await;
    }
    let before: Vec<Vec<u8>> = sqlx::query_scalar("select ciphertext from private.secret_values")
        .fetch_all(&pool)
        .await
        .unwrap();
    let keeper = KeyKeeper::new(queue(&stage), vault());
    until_idle(&keeper).await;
    assert_eq!(opened(&pool, &vault(), ALPHA).await.0, 1, "nobody asked");
    ask_for_rotation(&pool).await;
    until_idle(&keeper).await;
    let (generation, values) = opened(&pool, &vault(), ALPHA).await;
    assert_eq!(generation, 2);
    // Keys to providers too, and none is taken for the secret of the same name.
    let values: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        [
            "key gemini",
            "key openai",
            "value a",
            "value b",
            "value openai"
        ]
    );
    let after: Vec<Vec<u8>> = sqlx::query_scalar("select ciphertext from private.secret_values")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert!(after.iter().all(|sealed| !before.contains(sealed)));
    until_idle(&keeper).await;
    assert_eq!(opened(&pool, &vault(), ALPHA).await.0, 2, "once");
}

/// A keeper that is stopped anywhere on its way has changed nothing, or all.
#[sqlx::test(migrations = "../migrations")]
async fn a_rotation_that_is_cut_off_leaves_what_opens(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    for name in ["a", "b"] {
        set(&pool, &vault(), ALPHA, name, &format!("value {name}")).await;
    }
    let keeper = KeyKeeper::new(queue(&stage), vault());
    for micros in (0..40).map(|n| n * 250) {
        ask_for_rotation(&pool).await;
        let cut = tokio::time::timeout(std::time::Duration::from_micros(micros), keeper.turn());
        let _ = cut.await;
        let (_, values) = opened(&pool, &vault(), ALPHA).await;
        assert_eq!(values.len(), 2);
        assert!(
            values
                .iter()
                .all(|(name, value)| *value == format!("value {name}"))
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn keys_are_tended_by_several_while_secrets_are_set(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    set(&pool, &vault(), ALPHA, "first", "there from the beginning").await;
    let setters = (0..3).map(|n| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let name = format!("secret_{n}");
            for round in 0..10 {
                set(&pool, &both(), ALPHA, &name, &format!("round {round}")).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
    });
    let setters: Vec<_> = setters.collect();
    let keepers = [(); 2].map(|()| {
        let (keeper, pool) = (KeyKeeper::new(queue(&stage), both()), pool.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                ask_for_rotation(&pool).await;
                keeper.turn().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            }
        })
    });
    for task in setters.into_iter().chain(keepers) {
        task.await.unwrap();
    }
    let (generation, values) = opened(&pool, &both(), ALPHA).await;
    assert!(generation > 1, "no rotation came through");
    let of = |name: &str| {
        let found = values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(of("first"), Some("there from the beginning"));
    for n in 0..3 {
        assert_eq!(of(&format!("secret_{n}")), Some("round 9"));
    }
}

/// What a newer release keeps in a way of its own is not lost by an older worker that rotates.
#[sqlx::test(migrations = "../migrations")]
async fn what_it_does_not_know_stops_a_rotation(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    set(&pool, &vault(), ALPHA, "a", "of alpha").await;
    for sql in [
        "alter table private.secret_values drop constraint value_is_of_a_known_kind",
        "insert into private.secret_values (tenant_id, kind, name, key_generation, nonce, ciphertext)
         select tenant_id, 'password', name, key_generation, nonce, ciphertext from private.secret_values",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    ask_for_rotation(&pool).await;
    let keeper = KeyKeeper::new(queue(&stage), vault());
    let said = format!("{:#}", keeper.turn().await.unwrap_err());
    assert!(said.contains("password a: a newer release"), "{said}");
    let generations: Vec<i32> =
        sqlx::query_scalar("select generation from private.tenant_keys where tenant_id = $1")
            .bind(ALPHA)
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(generations, [1]);
}
