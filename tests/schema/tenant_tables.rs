//! Every table of a tenant is told to the audit log, and is in the tenant's export.

use std::collections::BTreeSet;

use sqlx::PgPool;

/// Tables of a tenant whose changes the audit log does not tell, and why.
const UNAUDITED: [(&str, &str); 10] = [
    (
        "executions",
        "written by workers, and a record themselves; a cancellation is told as an event",
    ),
    (
        "execution_steps",
        "written by workers, and a record themselves",
    ),
    ("usage", "written by workers, and never changed"),
    (
        "workflow_versions",
        "published by a change of a workflow, which is told, and never changed",
    ),
    (
        "agent_versions",
        "written by a change of an agent, which is told, and never changed",
    ),
    (
        "tenant_exports",
        "asked for and made by events that are told",
    ),
    (
        "tenant_secrets",
        "set and deleted by events that are told, without the last characters",
    ),
    ("provider_keys", "as secrets"),
    (
        "marketplace_charges",
        "written with the usage that each is for, and never changed",
    ),
    (
        "captured_calls",
        "written by edge-api, never changed, and a record themselves",
    ),
];

/// Tables of a tenant that an export leaves out, and why.
pub const NOT_EXPORTED: [(&str, &str); 1] = [("tenant_exports", "is about the exports themselves")];

/// Exposed tables with a tenant.
async fn tenant_tables(pool: &PgPool) -> BTreeSet<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_catalog.pg_class c
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and (relname = 'tenants' or exists (
              select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogue answers");
    assert!(tables.len() >= 13, "{tables:?}: the search is broken");
    tables.into_iter().collect()
}

fn names(list: &[(&str, &str)]) -> BTreeSet<String> {
    list.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn every_change_of_a_tenants_data_is_audited(pool: PgPool) {
    // 4, 8 and 16: insert, delete, update. For each row (1), afterwards (not 2 and not 64), and switched on.
    // https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_trigger.h
    let audited: Vec<String> = sqlx::query_scalar(
        "select tgrelid::regclass::text from pg_catalog.pg_trigger
          where tgfoid = 'aias.record_change()'::regprocedure and tgenabled in ('O', 'A') and tgtype & 67 = 1
          group by 1 having bit_or(tgtype) & 28 = 28",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    let unaudited: BTreeSet<String> = tenant_tables(&pool)
        .await
        .into_iter()
        .filter(|table| !audited.contains(table))
        .collect();
    assert_eq!(
        unaudited,
        names(&UNAUDITED),
        "tables whose changes no trigger tells to the audit log (left) and those that need none (right)"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn every_table_of_a_tenant_is_in_its_export(pool: PgPool) {
    let exported: Vec<String> = sqlx::query_scalar(
        "select distinct d.refobjid::regclass::text from pg_catalog.pg_rewrite r
           join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
          where r.ev_class = 'private.tenant_data'::regclass and d.refobjid <> r.ev_class",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    assert!(
        exported.contains(&"audit.log".to_owned()),
        "{exported:?}: the search is broken"
    );
    let left_out: BTreeSet<String> = tenant_tables(&pool)
        .await
        .into_iter()
        .filter(|table| !exported.contains(table))
        .collect();
    assert_eq!(
        left_out,
        names(&NOT_EXPORTED),
        "tables that private.tenant_data leaves out (left) and those that it may (right)"
    );
}
