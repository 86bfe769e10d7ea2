//! Of a tenant that is erased no row is left, and of others none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tests::world::{self, ALPHA, Thing};
use uuid::Uuid;

use crate::exports::run_export;
use crate::owned::{OF_A_TENANT, a_world, ids_of, traces};

/// How many rows every other tenant has, by table.
async fn rows_of_others(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    let tables: Vec<String> = sqlx::query_scalar(OF_A_TENANT)
        .fetch_all(&mut *connection)
        .await
        .expect("the catalogue answers");
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!("select count(*) from {table} where tenant_id <> $1");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(ALPHA.id())
            .fetch_one(&mut *connection)
            .await
            .expect("a count");
        rows.insert(table, count);
    }
    rows
}

#[sqlx::test(migrations = "../migrations")]
async fn erasure_leaves_no_row(pool: PgPool) {
    a_world(&pool).await;
    let mut owner = ALPHA
        .person(Thing::Owner)
        .begin(&pool)
        .await
        .expect("a transaction");
    sqlx::query("select public.export_tenant($1)")
        .bind(ALPHA.id())
        .execute(&mut *owner)
        .await
        .expect("an export");
    owner.commit().await.expect("asked for");
    run_export(&pool).await;
    // A refusal leaves a note behind, which outlives everything.
    let mut admin = ALPHA
        .person(Thing::Admin)
        .begin(&pool)
        .await
        .expect("a transaction");
    sqlx::query("select public.transfer_ownership($1, $2)")
        .bind(ALPHA.id())
        .bind(ALPHA.of(Thing::Viewer))
        .execute(&mut *admin)
        .await
        .expect_err("only an owner does that");
    drop(admin);
    // As where the library is not preloaded.
    sqlx::query("insert into aias.rate_limits (key, per, empty_at) select k || $1::text, 1, 1 from unnest(array['tenant:', 'invitations:', 'domain checks:']) k")
        .bind(ALPHA.id())
        .execute(&pool)
        .await
        .expect("rates");
    let mut owner = ALPHA
        .person(Thing::Owner)
        .begin(&pool)
        .await
        .expect("a transaction");
    sqlx::query("select public.close_tenant($1, 'alpha')")
        .bind(ALPHA.id())
        .execute(&mut *owner)
        .await
        .expect("closed");
    owner.commit().await.expect("closed");

    let mut connection = pool.acquire().await.expect("a connection");
    let mut worker = PgConnection::connect_with(&pool.connect_options())
        .await
        .expect("a connection");
    assert_eq!(
        erase(&mut worker).await,
        [world::OVER.id()].into(),
        "only what was over before"
    );
    let others = rows_of_others(&mut connection).await;
    let before = traces(&mut connection, &ids_of(ALPHA)).await;
    sqlx::query(
        "update public.tenants set cancelled_at = cancelled_at - interval '31 days' where id = $1",
    )
    .bind(ALPHA.id())
    .execute(&mut *connection)
    .await
    .expect("31 days later");
    assert_eq!(erase(&mut worker).await, [ALPHA.id()].into());

    // Of these it is the month that has the rows.
    let by_month = ["audit.log", "executions", "execution_steps"];
    let filled = others
        .keys()
        .filter(|table| !by_month.contains(&table.as_str()));
    let untouched: Vec<_> = filled.filter(|table| !before.contains(*table)).collect();
    assert!(
        untouched.is_empty(),
        "{untouched:?} had nothing to be erased"
    );
    assert_eq!(
        traces(&mut connection, &ids_of(ALPHA)).await,
        BTreeSet::new()
    );
    assert_eq!(
        rows_of_others(&mut connection).await,
        others,
        "others have what they had"
    );
    // Nor does anything come back.
    for late in [
        "select queue.chain_audit(1000)::text",
        "select queue.sweep()::text",
    ] {
        sqlx::query(late)
            .execute(&mut *connection)
            .await
            .expect(late);
    }
    assert_eq!(
        traces(&mut connection, &ids_of(ALPHA)).await,
        BTreeSet::new(),
        "later"
    );
}

/// Until nothing is due, in pieces so small that there are many. Answers whose data it was.
async fn erase(worker: &mut PgConnection) -> BTreeSet<Uuid> {
    let mut erased = BTreeSet::new();
    let mut calls = 0;
    while let Some(tenant) =
        sqlx::query_scalar::<_, Option<Uuid>>("select queue.erase_next_tenant(2)")
            .fetch_one(&mut *worker)
            .await
            .expect("a piece of it")
    {
        erased.insert(tenant);
        calls += 1;
        assert!(calls < 1000, "it does not end");
    }
    assert!(calls > 5, "{calls} pieces are few");
    erased
}

#[sqlx::test(migrations = "../migrations")]
async fn a_tenant_that_the_operator_deletes_leaves_no_row(pool: PgPool) {
    a_world(&pool).await;
    sqlx::query("delete from public.tenants where id = $1")
        .bind(ALPHA.id())
        .execute(&pool)
        .await
        .expect("deleted");
    let mut connection = pool.acquire().await.expect("a connection");
    assert_eq!(
        traces(&mut connection, &ids_of(ALPHA)).await,
        BTreeSet::new()
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_written_while_a_tenant_is_erased_goes_with_it(pool: PgPool) {
    a_world(&pool).await;
    sqlx::query("update public.tenants set status = 'cancelled', cancelled_at = now() - interval '31 days' where id = $1")
        .bind(ALPHA.id())
        .execute(&pool)
        .await
        .expect("31 days later");
    let mut connection = pool.acquire().await.expect("a connection");
    // Into the log of each of the person's tenants, without a lock on any.
    let mut sign_in = pool.begin().await.expect("a transaction");
    sqlx::query("update auth.users set last_sign_in_at = now() where id = $1")
        .bind(ALPHA.of(Thing::Owner))
        .execute(&mut *sign_in)
        .await
        .expect("a sign-in");
    assert!(erase(&mut connection).await.contains(&ALPHA.id()));
    sign_in.commit().await.expect("too late");
    assert_ne!(
        traces(&mut connection, &ids_of(ALPHA)).await,
        BTreeSet::new()
    );

    for late in ["select queue.chain_audit(1000)", "select queue.sweep()"] {
        sqlx::query(late)
            .execute(&mut *connection)
            .await
            .expect(late);
    }
    assert_eq!(
        traces(&mut connection, &ids_of(ALPHA)).await,
        BTreeSet::new()
    );
}

async fn somebody_waits(pool: &PgPool) -> bool {
    sqlx::query_scalar(
        "select exists (select from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database
          where d.datname = current_database() and l.locktype = 'advisory' and not l.granted)",
    )
    .fetch_one(pool)
    .await
    .expect("an answer")
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_being_chained_is_erased_afterwards(pool: PgPool) {
    a_world(&pool).await;
    let mut chainer = pool.begin().await.expect("a transaction");
    sqlx::query("select queue.chain_audit(1000)")
        .execute(&mut *chainer)
        .await
        .expect("chained");
    let mut worker = pool.acquire().await.expect("a connection");
    let erasing = tokio::spawn(async move {
        let erased = erase(&mut worker).await;
        (worker, erased)
    });
    while !somebody_waits(&pool).await {
        assert!(!erasing.is_finished(), "it waits for the chainer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    chainer.commit().await.expect("chained");
    let (mut worker, erased) = erasing.await.expect("erased");
    assert_eq!(erased, [world::OVER.id()].into());
    assert_eq!(
        traces(&mut worker, &ids_of(world::OVER)).await,
        BTreeSet::new()
    );
}
