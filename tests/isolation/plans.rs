//! What row-level security costs at size: 2,000 tenants, 1,000,000 executions, somebody who belongs to 50 of the tenants. The policy's
//! question is asked once a statement, of an index alone, and an index finds the rows.

use std::fs;

use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};
use tests::actor::Actor;
use tests::jwt::Claims;
use uuid::{Uuid, uuid};

use crate::plan::Plan;

/// A member of 50 tenants.
const PERSON: Uuid = uuid!("01940000-0000-7000-9000-000000000000");

/// What a frontend reads, each with the indexes that find it. A name that begins with `…` is the end of one: partitions have names of
/// their own.
const READS: [(&str, &[&str]); 13] = [
    (
        "select id, status, created_at from public.executions
          where tenant_id = '01940000-0000-7000-8000-000000000040' order by id desc limit 50",
        &["executions_other_pkey"],
    ),
    (
        "select id, status from public.executions where tenant_id = '01940000-0000-7000-8000-000000000040'
            and id < '01940000-0000-7000-b000-000000500040' order by id desc limit 50",
        &["executions_other_pkey"],
    ),
    (
        "select id, status from public.executions where tenant_id = '01940000-0000-7000-8000-000000000040'
            and workflow_id = '01940000-0000-7000-a000-000000000200'",
        &["executions_other_workflow_id_tenant_id_…"],
    ),
    (
        "select id, status from public.executions where workflow_id = '01940000-0000-7000-a000-000000000200'",
        &["executions_other_workflow_id_tenant_id_…"],
    ),
    (
        "select * from public.executions where id = '01940000-0000-7000-b000-000000020040'",
        &["executions_other_pkey"],
    ),
    (
        "select * from public.execution_steps where tenant_id = '01940000-0000-7000-8000-000000000040'
            and execution_id = '01940000-0000-7000-b000-000000020040' and revision > 1 order by revision",
        &["execution_steps_other_pkey"],
    ),
    (
        "select * from public.execution_steps where execution_id = '01940000-0000-7000-b000-000000020040'",
        &["execution_steps_…"],
    ),
    (
        "select sum(input_tokens) from public.usage where tenant_id = '01940000-0000-7000-8000-000000000040'
            and created_at >= now() - interval '59 days' and created_at < now() - interval '57 days'",
        &["usage_created_at"],
    ),
    (
        "select id, name, status from public.workflows where tenant_id = '01940000-0000-7000-8000-000000000040' order by created_at desc",
        &["workflows_pkey"],
    ),
    ("select id, name, status from public.workflows", &["workflows_pkey"]),
    (
        "select * from public.audit_log where tenant_id = '01940000-0000-7000-8000-000000000040' order by at desc limit 50",
        &["…_tenant_id_at_idx"],
    ),
    (
        "select count(*) from public.executions where tenant_id = '01940000-0000-7000-8000-000000000040'",
        &["executions_…"],
    ),
    ("select * from public.users", &["users_pkey", "memberships_…"]),
];

#[sqlx::test(migrations = "../migrations")]
async fn the_usual_reads_ask_once_and_use_an_index(pool: PgPool) {
    let mut connection = many_tenants(&pool).await;
    let mut wrong = Vec::new();
    for (read, indexes) in READS {
        for complaint in look(&mut connection, read, indexes).await {
            wrong.push(format!("{complaint}: {read}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a read and says what is wrong with how it ran.
async fn look(connection: &mut PgConnection, read: &str, indexes: &[&str]) -> Vec<String> {
    let person = Actor::Authenticated(Claims::of(PERSON, "person0@many.test"));
    execute(connection, "begin").await;
    let before = counters(connection).await;
    person.act(connection).await.expect("claims and a role");
    let plan = Plan::of(
        connection,
        &format!("explain (analyze, verbose, timing off, format json) {read}"),
    )
    .await;
    execute(connection, "reset role").await;
    let (scans, others) = counters(connection).await;
    let big: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_catalog.pg_class where relkind = 'r' and reltuples > 1000",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("the catalogue answers");
    execute(connection, "rollback").await;

    let mut wrong = plan.asks_once();
    wrong.extend(plan.uses(indexes, &big.into_iter().collect()));
    let asked = plan.questions_asked();
    if asked == 0 {
        wrong.push("no policy asks anything".to_owned());
    }
    let (scans, others) = (scans - before.0, others - before.1);
    if (scans, others) != (i64::try_from(asked).unwrap_or(i64::MAX), 0) {
        wrong.push(format!("{asked} questions scanned private.access {scans} times, and {others} times in other ways"));
    }
    wrong
}

/// How often private.access was read by the indexes that are meant for it; and in other ways: from end to end, by the other index, and
/// rows that an index alone could not answer for.
async fn counters(connection: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as(
        "select pg_stat_get_xact_numscans('private.access_principal'::regclass) + pg_stat_get_xact_numscans('private.access_asking'::regclass),
                pg_stat_get_xact_numscans('private.access'::regclass) + pg_stat_get_xact_numscans('private.access_pkey'::regclass)
                + pg_stat_get_xact_tuples_fetched('private.access'::regclass)",
    )
    .fetch_one(connection)
    .await
    .expect("counters")
}

/// A connection of the superuser to a database with many tenants in it.
async fn many_tenants(pool: &PgPool) -> PgConnection {
    tests::policies::apply(pool).await.expect("policies apply");
    let path = tests::repository().join("tests/fixtures/many_tenants.sql");
    let sql =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut connection = pool.acquire().await.expect("a connection").detach();
    execute(&mut connection, &format!("begin; {sql}; commit")).await;
    execute(&mut connection, "vacuum analyze").await;
    connection
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap_or_else(|error| panic!("{sql:.200}: {error}"));
}
