//! Stocks under many sessions: counters equal their tables, and no tenant has more than its plan allows.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{Connection, PgConnection, PgPool};
use tests::seed::{ALPHA, BETA};
use uuid::Uuid;

const SESSIONS: u64 = 8;
const TRANSACTIONS: usize = 60;

#[sqlx::test(migrations = "../migrations")]
async fn counters_equal_their_tables_after_many_sessions_at_once(pool: PgPool) {
    tests::policies::apply(&pool).await.unwrap();
    tests::seed::apply(&pool).await.unwrap();
    let mut sessions = tokio::task::JoinSet::new();
    for seed in 0..SESSIONS {
        let options = (*pool.connect_options()).clone();
        sessions.spawn(async move {
            let mut connection = PgConnection::connect_with(&options).await.unwrap();
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..TRANSACTIONS {
                transaction(&mut connection, &mut random).await;
            }
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }

    let drift: Vec<(Uuid, String, i64)> =
        sqlx::query_as("select tenant_id, meter, drift from private.quota_audit()")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(drift.is_empty(), "{drift:?}");
    let over: i64 =
        sqlx::query_scalar("select count(*) from aias.quota_usage() where used > quota_limit")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(over, 0);
}

/// Some rows come and some go, of both tenants; a third of it is rolled back. What the plan refuses is a part of the game.
async fn transaction(connection: &mut PgConnection, random: &mut StdRng) {
    let mut transaction = connection.begin().await.unwrap();
    for _ in 0..random.random_range(1..4) {
        let tenant = [ALPHA, BETA][random.random_range(0..2)];
        let statement = if random.random_bool(0.6) {
            "insert into public.workflows (tenant_id, name) select $1, 'Passing' from generate_series(1, $2)"
        } else {
            "delete from public.workflows where id in
               (select id from public.workflows where tenant_id = $1 and name = 'Passing' limit $2 for update skip locked)"
        };
        let outcome = sqlx::query(statement)
            .bind(tenant)
            .bind(random.random_range(1..4))
            .execute(&mut *transaction)
            .await;
        if let Err(error) = outcome {
            let code = error.as_database_error().and_then(|error| error.code());
            // Refused by the plan, or chosen to end a deadlock of two transactions that take from both tenants in different orders.
            assert!(
                matches!(code.as_deref(), Some("PGRST" | "40P01")),
                "{error}"
            );
            transaction.rollback().await.unwrap();
            return;
        }
    }
    if random.random_bool(0.33) {
        transaction.rollback().await.unwrap();
    } else {
        transaction.commit().await.unwrap();
    }
}
