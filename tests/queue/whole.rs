//! The record of one execution that was offered and ends is a statement of its own, which must come to the same as that of several.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::types::JsonValue;
use sqlx::{Connection, PgPool};
use uuid::Uuid;

use crate::stage::{Stage, enqueue_in};

#[sqlx::test(migrations = "../migrations")]
async fn what_is_recorded_alone_is_recorded_as_among_others(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut session = stage.pool.acquire().await.unwrap();
    sqlx::raw_sql(include_str!("../fixtures/record_many.sql"))
        .execute(&mut *session)
        .await
        .unwrap();
    let mut listener = PgListener::connect_with(&stage.pool).await.unwrap();
    listener.listen("aias_executions").await.unwrap();

    for (outcome, node) in [
        ("succeeded", Some("a")),
        ("failed", Some("a")),
        ("cancelled", None),
    ] {
        // One transaction, in which all times are the same.
        let mut transaction = session.begin().await.unwrap();
        enqueue_in(&mut transaction, 1, 1, 0, 3).await;
        let executions: Vec<Uuid> = sqlx::query_scalar(
            "update public.executions e set input = '{}' from queue.jobs j where j.execution_id = e.id returning e.id",
        )
        .fetch_all(&mut *transaction)
        .await
        .unwrap();
        sqlx::query("insert into queue.watched select unnest($1), now() + interval '1 minute'")
            .bind(&executions)
            .execute(&mut *transaction)
            .await
            .unwrap();
        for batch in [&executions[..2], &executions[2..]] {
            let written: i32 = sqlx::query_scalar("select pg_temp.record($1, $2, $3, $4)")
                .bind(batch)
                .bind(vec![0_i64; batch.len()])
                .bind(outcome)
                .bind(node)
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(written as usize, batch.len());
        }
        let rows: Vec<(JsonValue, Option<JsonValue>)> = sqlx::query_as(
            "select to_jsonb(e) - 'id', to_jsonb(s) - 'execution_id'
               from public.executions e left join public.execution_steps s on s.execution_id = e.id where e.id = any ($1)",
        )
        .bind(&executions)
        .fetch_all(&mut *transaction)
        .await
        .unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| *row == rows[0]), "{rows:#?}");
        assert_eq!(rows[0].0["status"], outcome);
        assert_eq!(rows[0].1.is_some(), node.is_some());
        let left: i64 = sqlx::query_scalar("select count(*) from queue.jobs")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(left, 0);
        transaction.commit().await.unwrap();

        let mut told = BTreeSet::new();
        while told.len() < 3 {
            let notice = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
            told.insert(
                notice
                    .expect("a notice of each")
                    .unwrap()
                    .payload()
                    .parse()
                    .unwrap(),
            );
        }
        assert_eq!(told, executions.into_iter().collect());
    }
}
