//! The files in `policies/` say everything: applied to a database in disorder, they end in the same access.

use sqlx::{PgPool, Row};

/// Every policy and every grant in our schemas, one a line.
async fn access(pool: &PgPool) -> Vec<String> {
    sqlx::query(
        "select format('policy %s %s %s %s %s %s', polrelid::regclass, polname, polcmd, polroles::regrole[],
                       pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) as line
           from pg_catalog.pg_policy
         union all
         select format('table %s %s %s', c.oid::regclass, acl.grantee::regrole, acl.privilege_type)
           from pg_catalog.pg_class c, lateral aclexplode(c.relacl) acl
          where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit', 'edge') and acl.grantee <> c.relowner
            and c.relname <> '_sqlx_migrations'
         union all
         select format('column %s.%s %s %s', a.attrelid::regclass, a.attname, acl.grantee::regrole, acl.privilege_type)
           from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid, lateral aclexplode(a.attacl) acl
          where c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit', 'edge') and acl.grantee <> c.relowner
         union all
         select format('function %s %s', p.oid::regprocedure, acl.grantee::regrole)
           from pg_catalog.pg_proc p, lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
          where p.pronamespace::regnamespace::text in ('public', 'private', 'queue', 'billing', 'audit', 'edge') and acl.grantee <> p.proowner
         union all
         select format('schema %s %s %s', n.nspname, acl.grantee::regrole, acl.privilege_type)
           from pg_catalog.pg_namespace n, lateral aclexplode(n.nspacl) acl
          where n.nspname in ('private', 'queue', 'billing', 'audit', 'edge', 'aias') and acl.grantee <> n.nspowner
         order by 1",
    )
    .map(|row: sqlx::postgres::PgRow| row.get("line"))
    .fetch_all(pool)
    .await
    .expect("the catalogue answers")
}

#[sqlx::test(migrations = "../migrations")]
async fn applied_twice_they_say_the_same(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    let once = access(&pool).await;
    assert!(once.len() > 50, "{once:#?}: the search is broken");
    tests::policies::apply(&pool)
        .await
        .expect("policies apply again");
    assert_eq!(access(&pool).await, once);
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_that_was_granted_beside_them_outlives_them(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    let before = access(&pool).await;

    // What a platform's defaults, or a hand in a hurry, leave behind.
    sqlx::raw_sql(
        r#"
        grant usage on schema private, queue, audit, edge, aias to public, anon, authenticated, aias_edge;
        grant all on all tables in schema public, private, queue, audit to public, anon, authenticated, service_role, aias_edge, aias_worker;
        grant all on all functions in schema public, private, queue, audit, edge to public, anon, authenticated, service_role, aias_edge, aias_worker;
        grant update (email) on public.users to anon;
        create policy "everybody reads everything" on public.executions for select using (true);
        create policy "everybody reads jobs" on queue.jobs for select using (true);
        create policy "everybody reads a month" on audit.log_default for select using (true);
        "#,
    )
    .execute(&pool)
    .await
    .expect("a superuser may do all this");
    assert_ne!(access(&pool).await, before, "the disorder shows");

    tests::policies::apply(&pool)
        .await
        .expect("policies apply again");
    assert_eq!(access(&pool).await, before);
}

#[sqlx::test(migrations = "../migrations")]
async fn without_them_nothing_is_open(pool: PgPool) {
    let open: Vec<_> = access(&pool).await;
    assert_eq!(
        open,
        Vec::<String>::new(),
        "migrations alone give nothing to anybody"
    );
}
