//! The trigger that tells the audit log is refused where it would tell nothing or something else, and the change with it.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use tests::world::{self, ALPHA};

/// The error's SQLSTATE and message.
async fn failure(connection: &mut PgConnection, sql: &str) -> (String, String) {
    let error = connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .map(|done| panic!("{sql}: {done:?}"))
        .unwrap_err();
    let error = error
        .as_database_error()
        .unwrap_or_else(|| panic!("{sql}: {error}"));
    (
        error.code().unwrap_or_default().into_owned(),
        error.message().to_owned(),
    )
}

fn insert(slug: &str) -> String {
    format!(
        "insert into public.ai_agents (tenant_id, name, slug, model) values ('{}', 'Recorded', '{slug}', 'a/b')",
        ALPHA.id()
    )
}

async fn with_slug(connection: &mut PgConnection, slug: &str) -> i64 {
    sqlx::query_scalar("select count(*) from public.ai_agents where slug = $1")
        .bind(slug)
        .fetch_one(connection)
        .await
        .expect("a count")
}

#[sqlx::test(migrations = "../migrations")]
async fn any_other_trigger_than_one_after_each_row_is_refused(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    let mut connection = pool.acquire().await.expect("a connection");
    for trigger in [
        "before insert on public.ai_agents for each row execute function aias.record_change('tenant_id', 'id')",
        "after insert on public.ai_agents for each statement execute function aias.record_change('tenant_id', 'id')",
        "after insert on public.ai_agents for each row execute function aias.record_change('tenant_id')",
        "after insert on public.ai_agents for each row execute function aias.record_change()",
    ] {
        let mut transaction = connection.begin().await.expect("a transaction");
        transaction
            .execute(sqlx::raw_sql(AssertSqlSafe(format!(
                "create trigger _801_wrong {trigger}"
            ))))
            .await
            .unwrap_or_else(|error| panic!("{trigger}: {error}"));
        let (code, message) = failure(&mut transaction, &insert("wrong")).await;
        assert_eq!(code, "39P01", "{trigger}: {message}");
        transaction.rollback().await.expect("a rollback");
    }
    let (code, message) = failure(&mut connection, "select aias.record_change()").await;
    assert_eq!(code, "39P01", "{message}");
    // A row that belongs to nobody, here for want of the column, can be in nobody's log.
    let mut transaction = connection.begin().await.expect("a transaction");
    transaction
        .execute(
            "create trigger _801_of_nobody after insert on public.ai_agents for each row execute function aias.record_change('nobody', 'id')",
        )
        .await
        .expect("a trigger");
    let (code, message) = failure(&mut transaction, &insert("wrong")).await;
    assert_eq!(code, "23502", "{message}");
}

#[sqlx::test(migrations = "../migrations")]
async fn what_an_inbox_of_other_columns_cannot_be_told_is_not_done(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    // One session writes before and after, so it has what it remembers of the table.
    let mut writer = pool.acquire().await.expect("a connection");
    writer
        .execute(sqlx::raw_sql(AssertSqlSafe(insert("before"))))
        .await
        .expect("an agent");
    for (number, change) in [
        "alter column request_id type jsonb using null",
        "alter column request_id type text using null, add column more text default 'more'",
    ]
    .iter()
    .enumerate()
    {
        pool.execute(sqlx::raw_sql(AssertSqlSafe(format!(
            "drop view public.audit_log cascade; alter table audit.inbox {change}; create view public.audit_log as select 1"
        ))))
        .await
        .unwrap_or_else(|error| panic!("{change}: {error}"));
        let slug = format!("after-{number}");
        let (code, message) = failure(&mut writer, &insert(&slug)).await;
        assert_eq!(code, "42804", "{change}: {message}");
        assert_eq!(with_slug(&mut writer, &slug).await, 0);
    }
    assert_eq!(with_slug(&mut writer, "before").await, 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_entry_is_there_for_the_statement_that_wrote_it_and_for_nobody_after_a_rollback(
    pool: PgPool,
) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    let entries = "select count(*) from audit.inbox where after ->> 'slug' like 'here-%'";
    let mut writer = pool.acquire().await.expect("a connection");
    // A later trigger of the same row sees the entry, and so does the next statement.
    writer
        .execute(sqlx::raw_sql(
            "create function public.count_entries() returns trigger language plpgsql as $$ begin
               perform set_config('test.entries', (select count(*)::text from audit.inbox where after ->> 'slug' = new.slug), false);
               return null;
             end $$;
             create trigger _999_count after insert on public.ai_agents for each row execute function public.count_entries()",
        ))
        .await
        .expect("a trigger");
    let mut transaction = writer.begin().await.expect("a transaction");
    for sql in [
        insert("here-1"),
        "savepoint s".to_owned(),
        insert("here-2"),
        "rollback to s".to_owned(),
    ] {
        transaction
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.clone())))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let seen: String = sqlx::query_scalar("select current_setting('test.entries')")
        .fetch_one(&mut *transaction)
        .await
        .expect("what the trigger saw");
    assert_eq!(seen, "1");
    let own: i64 = sqlx::query_scalar(entries)
        .fetch_one(&mut *transaction)
        .await
        .expect("a count");
    assert_eq!(own, 1, "what a savepoint took back is in no log");
    let of_others: i64 = sqlx::query_scalar(entries)
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(of_others, 0, "nobody sees it before the commit");
    transaction.rollback().await.expect("a rollback");
    let left: i64 = sqlx::query_scalar(entries)
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(left, 0);
}
