//! Every exposed table and every RPC is named in a suite of `tests/policies`, and every exposed table has its file in `policies/`.

use std::collections::BTreeSet;
use std::fs;

use sqlx::PgPool;

/// Exposed and not looked at. This list can only shrink.
const UNTESTED: [&str; 0] = [];

/// Not exposed, and opened by the file of the view that stands before them.
const BEHIND_A_VIEW: [(&str, &str); 3] = [
    ("audit.log", "audit_log"),
    ("audit.inbox", "audit_log"),
    ("queue.schedules", "workflow_schedules"),
];

/// What `tests/policies/*.sql` say, comments left out.
fn suites() -> String {
    let folder = tests::repository().join("tests/policies");
    let suites = fs::read_dir(folder)
        .expect("tests/policies can be read")
        .map(|entry| {
            let text = fs::read_to_string(entry.expect("an entry of tests/policies").path())
                .expect("a suite can be read");
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("--"));
            code.collect::<Vec<_>>().join("\n")
        });
    suites.collect::<Vec<_>>().join("\n")
}

fn is_named(name: &str, text: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let after = text[start + name.len()..].chars().next();
        !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

async fn exposed_tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select relname::text from pg_catalog.pg_class
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') and relname <> '_sqlx_migrations'
          order by relname",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogue answers")
}

#[sqlx::test(migrations = "../migrations")]
async fn every_exposed_table_and_rpc_is_named_in_a_suite(pool: PgPool) {
    let rpcs: Vec<String> = sqlx::query_scalar(
        "select distinct proname::text from pg_catalog.pg_proc p
          where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype
            and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    let tables = exposed_tables(&pool).await;
    assert!(
        rpcs.len() >= 6 && tables.len() >= 12,
        "{rpcs:?} {tables:?}: the search is broken"
    );

    let suites = suites();
    let unnamed: BTreeSet<String> = rpcs
        .iter()
        .map(|rpc| format!("public.{rpc}"))
        .chain(tables.iter().map(|table| format!("public.{table}")))
        .filter(|name| !is_named(name, &suites))
        .collect();
    let allowed = UNTESTED
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<BTreeSet<_>>();
    assert_eq!(
        unnamed, allowed,
        "exposed, and no suite in tests/policies names it (left) against what may be so (right)"
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn every_exposed_table_has_a_policies_file_that_opens_with_its_matrix(pool: PgPool) {
    let files = tests::policies::files();
    for table in exposed_tables(&pool).await {
        let Some((_, sql)) = files.iter().find(|(name, _)| *name == table) else {
            panic!("public.{table} has no file policies/{table}.sql");
        };
        assert!(
            sql.starts_with(&format!("-- Access to public.{table}\n--\n-- | actor ")),
            "policies/{table}.sql opens with its access matrix"
        );
        assert!(
            sql.contains(&format!("select private.close_table('public.{table}');")),
            "policies/{table}.sql begins by closing the table"
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn every_table_that_is_not_exposed_is_closed(pool: PgPool) {
    let hidden: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_catalog.pg_class c
          where relnamespace::regnamespace::text in ('private', 'queue', 'billing', 'audit') and relkind in ('r', 'p', 'v', 'm', 'f')
            and not relispartition",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    let files = tests::policies::files();
    let (_, closed) = files
        .iter()
        .find(|(name, _)| name == "closed")
        .expect("policies/closed.sql");
    let open: Vec<_> = hidden
        .iter()
        .filter(|table| !closed.contains(&format!("'{table}'")))
        .filter(|table| !BEHIND_A_VIEW.iter().any(|(behind, _)| behind == table))
        .collect();
    assert!(
        !hidden.is_empty() && open.is_empty(),
        "policies/closed.sql does not close {open:?}"
    );
    for (table, file) in BEHIND_A_VIEW {
        let (_, sql) = files
            .iter()
            .find(|(name, _)| name == file)
            .unwrap_or_else(|| panic!("policies/{file}.sql"));
        assert!(
            sql.contains(&format!("select private.close_table('{table}');")),
            "policies/{file}.sql begins by closing {table}"
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_month_of_the_log_is_not_opened_with_it(pool: PgPool) {
    // What a platform's defaults leave behind, and a month that comes later.
    sqlx::raw_sql("grant all on all tables in schema audit to anon, authenticated; select audit.make_months(6)")
        .execute(&pool)
        .await
        .expect("a superuser may do all this");
    tests::policies::apply(&pool).await.expect("policies apply");
    let open: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_catalog.pg_class c, unnest(array['anon', 'authenticated', 'aias_edge', 'aias_worker']) role
          where c.relnamespace = 'audit'::regnamespace and c.relispartition and c.relkind = 'r'
            and (has_table_privilege(role, c.oid, 'select, insert, update, delete, truncate') or not c.relrowsecurity)",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue answers");
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn a_name_is_not_found_inside_a_longer_one() {
    assert!(is_named("public.usage", "select from public.usage;"));
    assert!(!is_named("public.usage", "select from public.usage_daily;"));
}
