//! Exports of all a tenant's data.

use serde_json::Value;
use sqlx::PgPool;
use tests::seed::{ALPHA, ALPHA_OWNER};
use uuid::Uuid;

use crate::support::{Stage, Worker};

async fn ask(pool: &PgPool) -> Uuid {
    let mut owner = ALPHA_OWNER.actor().begin(pool).await.unwrap();
    let export = sqlx::query_scalar("select id from public.export_tenant($1)")
        .bind(ALPHA)
        .fetch_one(&mut *owner)
        .await
        .unwrap();
    owner.commit().await.unwrap();
    export
}

/// All its lines, as the owner reads them.
async fn read(pool: &PgPool, export: Uuid) -> Vec<Value> {
    let mut owner = ALPHA_OWNER.actor().begin(pool).await.unwrap();
    let mut text = String::new();
    for number in 1.. {
        let chunk: Option<String> = sqlx::query_scalar("select public.export_chunk($1, $2)")
            .bind(export)
            .bind(number)
            .fetch_one(&mut *owner)
            .await
            .unwrap();
        match chunk {
            Some(chunk) => text.push_str(&chunk),
            None => break,
        }
    }
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn an_export_holds_the_tenant(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let export = ask(&pool).await;
    let worker = Worker::start(&stage, &[]);
    let ready = "select status = 'ready' from tenant_exports where id = $1";
    assert!(stage.becomes_true(ready, export).await);
    worker.stop().await;

    let lines = read(&pool, export).await;
    let counted: i64 = sqlx::query_scalar("select lines from tenant_exports where id = $1")
        .bind(export)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(lines.len() as i64, counted);
    let of = |source: &str| lines.iter().filter(|line| line["source"] == source).count();
    assert_eq!(
        (of("tenants"), of("memberships"), of("workflows")),
        (1, 5, 1)
    );
    let mut tenants = lines
        .iter()
        .filter_map(|line| line["line"]["tenant_id"].as_str());
    assert!(tenants.all(|tenant| tenant == ALPHA.to_string()));
}

#[sqlx::test(migrations = "../migrations")]
async fn an_export_that_cannot_be_made_is_given_up_and_the_next_is_made(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    sqlx::raw_sql(
        "create function public.full_disk() returns trigger language plpgsql as
           $$ begin raise exception 'a secret of the operator' using errcode = 'disk_full'; end $$;
         create trigger full_disk before insert on private.export_chunks for each row execute function public.full_disk();",
    )
    .execute(&pool)
    .await
    .unwrap();
    let export = ask(&pool).await;
    let worker = Worker::start(&stage, &[]);
    let failed = "select status = 'failed' from tenant_exports where id = $1";
    assert!(stage.becomes_true(failed, export).await);
    let error: String = sqlx::query_scalar("select error from tenant_exports where id = $1")
        .bind(export)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(error, "the export could not be made (SQLSTATE 53100)");

    sqlx::raw_sql("drop trigger full_disk on private.export_chunks")
        .execute(&pool)
        .await
        .unwrap();
    let export = ask(&pool).await;
    let ready = "select status = 'ready' from tenant_exports where id = $1";
    assert!(stage.becomes_true(ready, export).await);
    worker.stop().await;
}
