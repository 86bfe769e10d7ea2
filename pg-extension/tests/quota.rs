//! Taking and giving, one session at a time.

use serde_json::json;
use sqlx::{Connection, Executor};
use support::{Database, assert_slots_add_up, give, refusal, set, sqlstate, status, take};
use uuid::Uuid;

#[tokio::test]
async fn a_limit_admits_exactly_itself_and_a_gift_makes_room() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;

    for _ in 0..3 {
        take(&mut c, tenant, "workflows", 1).await.unwrap();
    }
    assert!(refusal(&take(&mut c, tenant, "workflows", 1).await.unwrap_err()).is_some());
    give(&mut c, tenant, "workflows", 1).await.unwrap();
    take(&mut c, tenant, "workflows", 1).await.unwrap();
    assert!(refusal(&take(&mut c, tenant, "workflows", 1).await.unwrap_err()).is_some());

    let status = status(&mut c, tenant, "workflows").await;
    assert_eq!((status.used, status.remaining), (3, Some(0)));
    database.remove().await;
}

#[tokio::test]
async fn a_refusal_is_what_postgrest_answers_402_with() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;
    set(&mut c, tenant, "executions", "flow", Some(10)).await;
    take(&mut c, tenant, "workflows", 2).await.unwrap();

    let stock = refusal(&take(&mut c, tenant, "workflows", 2).await.unwrap_err()).unwrap();
    assert_eq!((stock.status, stock.code.as_str()), (402, "quota_exceeded"));
    assert_eq!(
        stock.details(),
        json!({"meter": "workflows", "limit": 3, "used": 2, "requested": 2, "resets_at": null})
    );
    assert_eq!(stock.headers["X-Quota-Limit"], "3");
    assert_eq!(stock.headers["X-Quota-Remaining"], "1");
    assert_eq!(stock.headers["X-Quota-Reset"], "never");
    assert_eq!(stock.headers["Retry-After"], "60");

    let flow = refusal(&take(&mut c, tenant, "executions", 11).await.unwrap_err()).unwrap();
    let (resets_at, seconds): (String, i64) = sqlx::query_as(
        "select to_char(resets_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), extract(epoch from resets_at)::bigint
           from aias.quota_status($1) where meter = 'executions'",
    )
    .bind(tenant)
    .fetch_one(&mut c)
    .await
    .unwrap();
    assert_eq!(flow.details()["resets_at"], json!(resets_at));
    assert_eq!(flow.headers["X-Quota-Reset"], seconds.to_string());
    let retry: i64 = flow.headers["Retry-After"].parse().unwrap();
    assert!((1..=31 * 86_400).contains(&retry), "{retry}");
    database.remove().await;
}

#[tokio::test]
async fn a_rollback_gives_back_also_to_a_savepoint() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", Some(10)).await;

    c.execute("begin").await.unwrap();
    take(&mut c, tenant, "executions", 4).await.unwrap();
    c.execute("savepoint before").await.unwrap();
    take(&mut c, tenant, "executions", 6).await.unwrap();
    assert_eq!(status(&mut c, tenant, "executions").await.used, 10);
    c.execute("rollback to savepoint before").await.unwrap();
    assert_eq!(status(&mut c, tenant, "executions").await.used, 4);
    take(&mut c, tenant, "executions", 5).await.unwrap();
    assert_eq!(status(&mut c, tenant, "executions").await.used, 9);
    c.execute("rollback").await.unwrap();

    assert_eq!(status(&mut c, tenant, "executions").await.used, 0);
    database.remove().await;
}

#[tokio::test]
async fn many_takes_in_one_statement_see_each_other() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", Some(100)).await;

    let sql = "select count(aias.quota_take($1, 'executions')) from generate_series(1, $2)";
    sqlx::query(sql)
        .bind(tenant)
        .bind(60i64)
        .execute(&mut c)
        .await
        .unwrap();
    let error = sqlx::query(sql)
        .bind(tenant)
        .bind(60i64)
        .execute(&mut c)
        .await
        .unwrap_err();
    let refused = refusal(&error).unwrap();
    assert_eq!(refused.details()["used"], 100);
    // The statement that was refused took nothing.
    assert_eq!(status(&mut c, tenant, "executions").await.used, 60);
    database.remove().await;
}

#[tokio::test]
async fn unlimited_admits_everything_and_still_counts() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", None).await;

    take(&mut c, tenant, "executions", i64::MAX - 1)
        .await
        .unwrap();
    let status = status(&mut c, tenant, "executions").await;
    assert_eq!(
        (status.used, status.remaining, status.quota_limit),
        (i64::MAX - 1, None, None)
    );
    // What cannot be counted is an error, not a wrong count.
    assert_eq!(
        sqlstate(&take(&mut c, tenant, "executions", 2).await.unwrap_err()),
        "22003"
    );
    take(&mut c, tenant, "executions", 1).await.unwrap();
    database.remove().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_22023_and_what_is_unknown_is_not_admitted() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;

    for (sql, says) in [
        (
            "select aias.quota_take($1, 'workflows', 0)",
            "greater than 0",
        ),
        (
            "select aias.quota_take($1, 'workflows', -1)",
            "greater than 0",
        ),
        (
            "select aias.quota_take($1, 'workflows', null)",
            "must not be null",
        ),
        ("select aias.quota_take($1, null, 1)", "must not be null"),
        (
            "select aias.quota_take($1, 'unheard_of', 1)",
            "no quota for the meter \"unheard_of\"",
        ),
        (
            "select aias.quota_take(gen_random_uuid(), 'workflows', 1) where $1 is not null",
            "no quota",
        ),
        (
            "select aias.quota_give($1, 'workflows', 0)",
            "greater than 0",
        ),
        ("select aias.quota_give($1, 'unheard_of', 1)", "no quota"),
        (
            "select aias.quota_set($1, 'workflows', 'flow', 3)",
            "is a stock",
        ),
        (
            "select aias.quota_set($1, 'x', 'rate', 3)",
            "a stock or a flow",
        ),
        (
            "select aias.quota_set($1, 'x', 'stock', -3)",
            "must not be negative",
        ),
        (
            "select aias.quota_set($1, 'x', 'stock', 3, now())",
            "no billing periods",
        ),
        (
            "select aias.quota_set($1, 'x', 'flow', 3, 'infinity')",
            "infinity",
        ),
        ("select aias.quota_set($1, '', 'flow', 3)", "1 to 100 bytes"),
        (
            "select aias.quota_set($1, repeat('x', 101), 'flow', 3)",
            "1 to 100 bytes",
        ),
        ("select aias.quota_take_all($1, '[1]')", "must be an object"),
        (
            "select aias.quota_take_all($1, '{\"workflows\": 1.5}')",
            "whole number",
        ),
        (
            "select aias.quota_take_all($1, '{\"workflows\": \"1\"}')",
            "whole number",
        ),
        (
            "select aias.quota_reserve($1, 'workflows', 1, '-1 minute')",
            "longer than nothing",
        ),
        ("select aias.quota_settle($1, -1)", "must not be negative"),
        ("select aias.quota_settle($1, 1)", "no open reservation"),
        ("select aias.quota_release($1)", "no open reservation"),
        (
            "select aias.quota_recount($1, 'workflows', -1)",
            "must not be negative",
        ),
        (
            "select aias.quota_addon($1, 'workflows', 'override', 1)",
            "other than",
        ),
        (
            "select aias.quota_addon($1, 'workflows', 'x', 0)",
            "greater than 0",
        ),
    ] {
        let error = sqlx::query(sql)
            .bind(tenant)
            .execute(&mut c)
            .await
            .unwrap_err();
        assert_eq!(sqlstate(&error), "22023", "{sql}: {error}");
        assert!(error.to_string().contains(says), "{sql}: {error}");
    }
    assert_eq!(status(&mut c, tenant, "workflows").await.used, 0);
    database.remove().await;
}

#[tokio::test]
async fn several_meters_are_taken_all_or_nothing() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", Some(10)).await;
    set(&mut c, tenant, "llm_tokens", "flow", Some(100)).await;

    let sql = "select aias.quota_take_all($1, $2)";
    sqlx::query(sql)
        .bind(tenant)
        .bind(json!({"llm_tokens": 60, "executions": 1}))
        .execute(&mut c)
        .await
        .unwrap();
    let error = sqlx::query(sql)
        .bind(tenant)
        .bind(json!({"llm_tokens": 60, "executions": 1}))
        .execute(&mut c)
        .await
        .unwrap_err();
    assert_eq!(refusal(&error).unwrap().details()["meter"], "llm_tokens");
    assert_eq!(status(&mut c, tenant, "executions").await.used, 1);
    assert_eq!(status(&mut c, tenant, "llm_tokens").await.used, 60);
    database.remove().await;
}

#[tokio::test]
async fn giving_back_more_than_was_taken_ends_at_nothing() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;
    take(&mut c, tenant, "workflows", 2).await.unwrap();
    give(&mut c, tenant, "workflows", 5).await.unwrap();
    assert_eq!(status(&mut c, tenant, "workflows").await.used, 0);
    take(&mut c, tenant, "workflows", 3).await.unwrap();
    assert!(take(&mut c, tenant, "workflows", 1).await.is_err());
    assert_slots_add_up(&mut c, tenant, "workflows").await;
    database.remove().await;
}

#[tokio::test]
async fn a_read_only_transaction_takes_nothing() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "workflows", "stock", Some(3)).await;
    let mut reading = c.begin_with("begin read only").await.unwrap();
    assert_eq!(status(&mut reading, tenant, "workflows").await.used, 0);
    let error = take(&mut reading, tenant, "workflows", 1)
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&error), "25006");
    drop(reading);
    database.remove().await;
}

#[tokio::test]
async fn a_forgotten_tenant_has_no_quotas() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let (tenant, other) = (Uuid::now_v7(), Uuid::now_v7());
    for tenant in [tenant, other] {
        set(&mut c, tenant, "executions", "flow", Some(3)).await;
        sqlx::query("select aias.quota_reserve($1, 'executions', 1)")
            .bind(tenant)
            .execute(&mut c)
            .await
            .unwrap();
    }
    sqlx::query("select aias.quota_forget($1)")
        .bind(tenant)
        .execute(&mut c)
        .await
        .unwrap();

    assert_eq!(
        sqlstate(&take(&mut c, tenant, "executions", 1).await.unwrap_err()),
        "22023"
    );
    assert_eq!(status(&mut c, other, "executions").await.reserved, 1);
    let (left,): (i64,) = sqlx::query_as(
        "select (select count(*) from aias.quota_slots where tenant_id = $1) + (select count(*) from aias.quota_reservations where tenant_id = $1)",
    )
    .bind(tenant)
    .fetch_one(&mut c)
    .await
    .unwrap();
    assert_eq!(left, 0);
    database.remove().await;
}

#[tokio::test]
async fn a_session_cannot_smuggle_its_own_operators_in() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, "executions", "flow", Some(3)).await;
    c.execute(
        "create role extension_caller;
         grant usage on schema aias to extension_caller;
         grant execute on function aias.quota_reserve, aias.quota_settle to extension_caller;
         create schema evil authorization extension_caller;
         set role extension_caller;
         create table evil.calls (who text);
         create function evil.equals(uuid, uuid) returns boolean language plpgsql as
           $$ begin insert into evil.calls values (current_user); return true; end $$;
         create operator evil.= (leftarg = uuid, rightarg = uuid, function = evil.equals);
         set search_path = evil, pg_catalog;",
    )
    .await
    .unwrap();
    let (id,): (Uuid,) = sqlx::query_as("select aias.quota_reserve($1, 'executions', 2)")
        .bind(tenant)
        .fetch_one(&mut c)
        .await
        .unwrap();
    sqlx::query("select aias.quota_settle($1, 1)")
        .bind(id)
        .execute(&mut c)
        .await
        .unwrap();
    let (calls,): (i64,) = sqlx::query_as("select count(*) from evil.calls")
        .fetch_one(&mut c)
        .await
        .unwrap();
    assert_eq!(calls, 0);
    // And it still is who it was, with the path that it chose.
    let (role, path): (String, String) =
        sqlx::query_as("select current_user::text, current_setting('search_path')")
            .fetch_one(&mut c)
            .await
            .unwrap();
    assert_eq!(
        (role.as_str(), path.as_str()),
        ("extension_caller", "evil, pg_catalog")
    );
    c.execute("reset role; drop schema evil cascade; drop owned by extension_caller; drop role extension_caller")
        .await
        .unwrap();
    database.remove().await;
}
