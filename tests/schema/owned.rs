//! Everything that a tenant owns: in which tables it is, and where a trace of it is left.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tests::world::{self, Tenant, Thing};
use uuid::Uuid;

/// Beside public.tenants, which is named by its id: every table of ours in which a row has a tenant.
pub const OF_A_TENANT: &str = "
  select c.oid::regclass::text from pg_catalog.pg_class c
   where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'aias', 'billing')
     and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
   order by 1";

/// Tenants with a row in every table.
pub async fn a_world(pool: &PgPool) {
    tests::policies::apply(pool).await.expect("policies apply");
    world::apply(pool).await.expect("the world is made");
}

/// Every table there is, of ours and of others, in which a row says one of these ids anywhere.
pub async fn traces(connection: &mut PgConnection, ids: &[Uuid]) -> BTreeSet<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_catalog.pg_class c
          where c.relkind in ('r', 'm') and c.relnamespace::regnamespace::text !~ '^pg_' and c.relnamespace::regnamespace::text <> 'information_schema'",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("the catalogue answers");
    assert!(tables.len() > 35, "{tables:?}: the search is broken");
    let patterns: Vec<String> = ids.iter().map(|id| format!("%{id}%")).collect();
    let mut traces = BTreeSet::new();
    for table in tables {
        // As the superuser, who sees every row.
        let sql = format!("select exists (select from {table} t where t::text ilike any ($1))");
        let found: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&patterns)
            .fetch_one(&mut *connection)
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        if found {
            traces.insert(table);
        }
    }
    traces
}

/// The tenant, and what it owns. Not its people: their accounts are theirs.
pub fn ids_of(tenant: Tenant) -> Vec<Uuid> {
    let things = [
        Thing::KeyWithAllScopes,
        Thing::KeyWithFewScopes,
        Thing::RevokedKey,
        Thing::ExpiredKey,
        Thing::Agent,
        Thing::SecondAgent,
        Thing::Workflow,
        Thing::Draft,
        Thing::QueuedExecution,
        Thing::FinishedExecution,
        Thing::Usage,
        Thing::PendingInvitation,
        Thing::AcceptedInvitation,
        Thing::Domain,
        Thing::Export,
    ];
    std::iter::once(tenant.id())
        .chain(things.map(|thing| tenant.of(thing)))
        .collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_world_has_a_row_of_every_tenant_in_every_table(pool: PgPool) {
    a_world(&pool).await;
    let tables: Vec<String> = sqlx::query_scalar(OF_A_TENANT)
        .fetch_all(&pool)
        .await
        .expect("the catalogue answers");
    assert!(tables.len() > 25, "{tables:?}: the search is broken");
    let mut empty = Vec::new();
    for table in tables {
        for tenant in world::TENANTS {
            let sql = format!("select exists (select from {table} where tenant_id = $1)");
            let found: bool = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(tenant.id())
                .fetch_one(&pool)
                .await
                .expect("an answer");
            if !found {
                empty.push(format!("{table} of {}", tenant.name));
            }
        }
    }
    assert!(
        empty.is_empty(),
        "tests/fixtures/full_tenants.sql makes no row for {empty:#?}"
    );
}
