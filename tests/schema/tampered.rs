//! A chain of the audit log to tamper with, and what `audit.verify` says of it.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgExecutor, PgPool};
use tests::world::{self, ALPHA, BETA, Tenant};

/// A chain of some length for every tenant, and nothing that watches over it.
pub async fn a_chain(pool: &PgPool) -> i64 {
    tests::policies::apply(pool).await.expect("policies apply");
    world::apply(pool).await.expect("the world is made");
    sqlx::query("select queue.chain_audit(100000)")
        .execute(pool)
        .await
        .expect("all is chained");
    for tenant in [ALPHA, BETA] {
        assert_eq!(
            problems(pool, tenant).await,
            BTreeSet::new(),
            "before it is tampered with"
        );
    }
    pool.execute(
        "alter table audit.log disable trigger all; alter table audit.heads disable trigger all",
    )
    .await
    .expect("a superuser may do that");
    let length: i64 = sqlx::query_scalar("select max(seq) from audit.log where tenant_id = $1")
        .bind(ALPHA.id())
        .fetch_one(pool)
        .await
        .expect("a length");
    assert!(length > 10, "{length} entries are few");
    length
}

/// What `audit.verify` says: (seq, problem).
pub async fn problems(database: impl PgExecutor<'_>, tenant: Tenant) -> BTreeSet<(i64, String)> {
    let problems: Vec<(i64, String)> = sqlx::query_as("select seq, problem from audit.verify($1)")
        .bind(tenant.id())
        .fetch_all(database)
        .await
        .expect("an answer");
    problems.into_iter().collect()
}

pub fn found<const N: usize>(problems: [(i64, &str); N]) -> BTreeSet<(i64, String)> {
    problems
        .into_iter()
        .map(|(seq, problem)| (seq, problem.to_owned()))
        .collect()
}

/// `$t` is Alpha.
pub async fn tamper(pool: &PgPool, sql: &str) {
    let sql = sql.replace("$t", &format!("'{}'", ALPHA.id()));
    pool.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone())))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
