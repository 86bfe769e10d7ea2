//! An export holds all of a tenant's data.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use tests::world::{ALPHA, Thing};
use uuid::Uuid;

use crate::owned::{OF_A_TENANT, a_world};
use crate::tenant_tables::NOT_EXPORTED;

/// As a worker does it: one instant of all tables.
pub async fn run_export(pool: &PgPool) {
    let mut worker = pool.acquire().await.expect("a connection");
    worker
        .execute("begin isolation level repeatable read")
        .await
        .expect("a transaction");
    let made: i64 = sqlx::query_scalar("select count(*) from queue.run_next_export()")
        .fetch_one(&mut *worker)
        .await
        .expect("an export");
    worker.execute("commit").await.expect("kept");
    assert_eq!(made, 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_export_holds_every_row_of_the_tenant(pool: PgPool) {
    a_world(&pool).await;
    while sqlx::query_scalar::<_, i32>("select queue.chain_audit(1000)")
        .fetch_one(&pool)
        .await
        .expect("chained")
        > 0
    {}
    let export: Uuid = {
        let mut owner = ALPHA
            .person(Thing::Owner)
            .begin(&pool)
            .await
            .expect("a transaction");
        let asked = sqlx::query_scalar("select id from public.export_tenant($1)")
            .bind(ALPHA.id())
            .fetch_one(&mut *owner)
            .await
            .expect("an export");
        owner.commit().await.expect("asked for");
        asked
    };
    run_export(&pool).await;

    let mut owner = ALPHA
        .person(Thing::Owner)
        .begin(&pool)
        .await
        .expect("a transaction");
    let mut file = String::new();
    for number in 1.. {
        let chunk: Option<String> = sqlx::query_scalar("select public.export_chunk($1, $2)")
            .bind(export)
            .bind(number)
            .fetch_one(&mut *owner)
            .await
            .expect("a chunk");
        match chunk {
            Some(chunk) => file.push_str(&chunk),
            None => break,
        }
    }
    drop(owner);
    let mut exported: BTreeMap<String, i64> = BTreeMap::new();
    for line in file.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("NDJSON");
        assert!(line["line"].is_object(), "{line}");
        *exported
            .entry(line["source"].as_str().expect("a source").to_owned())
            .or_default() += 1;
    }

    let tables: Vec<String> = sqlx::query_scalar(OF_A_TENANT)
        .fetch_all(&pool)
        .await
        .expect("the catalogue answers");
    let public: Vec<&str> = tables
        .iter()
        .map(String::as_str)
        .filter(|table| !table.contains('.'))
        .collect();
    let mut wanted = BTreeMap::from([("tenants".to_owned(), 1), ("users".to_owned(), 7)]);
    for table in public.into_iter().chain(["audit.log"]) {
        if NOT_EXPORTED.iter().any(|(left_out, _)| *left_out == table) {
            continue;
        }
        let sql = format!("select count(*) from {table} where tenant_id = $1");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(ALPHA.id())
            .fetch_one(&pool)
            .await
            .expect("a count");
        wanted.insert(table.replace("audit.log", "audit_log"), count);
    }
    // What the asking itself has put into the log since.
    let since: i64 = sqlx::query_scalar("select count(*) from audit.inbox where tenant_id = $1")
        .bind(ALPHA.id())
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(since, 2, "asked for, and made");
    // The first was there when the file was made.
    *wanted.entry("audit_log".to_owned()).or_default() += since - 1;
    assert_eq!(
        exported, wanted,
        "what is in the file and what is in the tables"
    );
}
