//! Two at once: who comes second waits for the first, and then finds what the first has made of the world.

use sqlx::{AssertSqlSafe, Connection, Executor, PgPool};
use tests::world::{self, ALPHA, Thing};

use crate::turns::{Move, as_operator, by, code, one_after_the_other, open};

fn accept() -> Move {
    by(
        Thing::Former,
        format!(
            "select * from public.accept_invitation('{}')",
            ALPHA.invitation_token()
        ),
    )
}

fn leave(who: Thing) -> Move {
    by(who, format!("select public.leave_tenant('{}')", ALPHA.id()))
}

fn suspend() -> Move {
    as_operator(format!(
        "update public.tenants set status = 'suspended' where id = '{}'",
        ALPHA.id()
    ))
}

async fn a_world(pool: &PgPool) {
    tests::policies::apply(pool).await.expect("policies apply");
    world::apply(pool).await.expect("the world is made");
}

async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .bind(ALPHA.id())
        .bind(ALPHA.of(Thing::Former))
        .fetch_one(pool)
        .await
        .expect("a number")
}

async fn access_is_as_derived(pool: &PgPool) {
    let differing: i64 = sqlx::query_scalar("select count(*) from private.access_audit()")
        .fetch_one(pool)
        .await
        .expect("a number");
    assert_eq!(differing, 0, "access is not what it is derived from");
}

#[sqlx::test(migrations = "../migrations")]
async fn of_two_owners_who_leave_at_once_one_stays(pool: PgPool) {
    a_world(&pool).await;
    sqlx::query(
        "update public.memberships set role = 'owner' where tenant_id = $1 and user_id = $2",
    )
    .bind(ALPHA.id())
    .bind(ALPHA.of(Thing::Admin))
    .execute(&pool)
    .await
    .expect("a second owner");
    let second = one_after_the_other(&pool, leave(Thing::Owner), leave(Thing::Admin)).await;
    assert_eq!(second.as_deref(), Some("last_owner"));
    let owners = "select count(*) from public.memberships where tenant_id = $1 and role = 'owner' and user_id <> $2";
    assert_eq!(number(&pool, owners).await, 1);
    access_is_as_derived(&pool).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn of_two_owners_whose_accounts_go_at_once_one_stays(pool: PgPool) {
    a_world(&pool).await;
    sqlx::query(
        "update public.memberships set role = 'owner' where tenant_id = $1 and user_id = $2",
    )
    .bind(ALPHA.id())
    .bind(ALPHA.of(Thing::Admin))
    .execute(&pool)
    .await
    .expect("a second owner");
    let gone = |who| {
        as_operator(format!(
            "delete from auth.users where id = '{}'",
            ALPHA.of(who)
        ))
    };
    let second = one_after_the_other(&pool, gone(Thing::Owner), gone(Thing::Admin)).await;
    assert_eq!(second.as_deref(), Some("last_owner"));
    access_is_as_derived(&pool).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn whoever_joins_while_a_tenant_is_suspended_writes_nothing(pool: PgPool) {
    for suspended_first in [true, false] {
        a_clean_world(&pool).await;
        let (first, second) = if suspended_first {
            (suspend(), accept())
        } else {
            (accept(), suspend())
        };
        let outcome = one_after_the_other(&pool, first, second).await;
        assert!(outcome.is_none() || suspended_first, "{outcome:?}");

        let mut member = ALPHA
            .person(Thing::Former)
            .begin(&pool)
            .await
            .expect("a transaction");
        let written = sqlx::query("insert into public.ai_agents (tenant_id, name, slug, model) values ($1, 'Late', 'late', 'openai/gpt-4o')")
            .bind(ALPHA.id())
            .execute(&mut *member)
            .await;
        assert_eq!(
            written.err().map(|error| code(&error)).as_deref(),
            Some("42501"),
            "suspended first: {suspended_first}"
        );
        access_is_as_derived(&pool).await;
    }
}

/// The world again, after it was changed.
async fn a_clean_world(pool: &PgPool) {
    sqlx::query("delete from public.tenants")
        .execute(pool)
        .await
        .expect("nothing is left");
    sqlx::query("delete from auth.users")
        .execute(pool)
        .await
        .expect("nobody is left");
    a_world(pool).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_token_that_is_used_twice_at_once_makes_one_member(pool: PgPool) {
    a_world(&pool).await;
    let second = one_after_the_other(&pool, accept(), accept()).await;
    assert_eq!(second.as_deref(), Some("not_found"));
    let memberships =
        "select count(*) from public.memberships where tenant_id = $1 and user_id = $2";
    assert_eq!(number(&pool, memberships).await, 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn an_invitation_ends_one_way(pool: PgPool) {
    let revoke = || {
        by(
            Thing::Owner,
            format!(
                "select * from public.revoke_invitation('{}')",
                ALPHA.of(Thing::PendingInvitation)
            ),
        )
    };
    let decline = || {
        by(
            Thing::Former,
            format!(
                "select public.decline_invitation('{}')",
                ALPHA.invitation_token()
            ),
        )
    };
    let memberships =
        "select count(*) from public.memberships where tenant_id = $1 and user_id = $2";
    for (first, second, refusal, members) in [
        (accept(), revoke(), "invitation_over", 1),
        (revoke(), accept(), "not_found", 0),
        (accept(), decline(), "not_found", 1),
        (decline(), accept(), "not_found", 0),
        (decline(), revoke(), "invitation_over", 0),
    ] {
        a_clean_world(&pool).await;
        let (one, other) = (first.statement.clone(), second.statement.clone());
        let outcome = one_after_the_other(&pool, first, second).await;
        assert_eq!(outcome.as_deref(), Some(refusal), "{one} and then {other}");
        assert_eq!(
            number(&pool, memberships).await,
            members,
            "{one} and then {other}"
        );
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn whoever_is_removed_while_they_remove_somebody_removes_nobody(pool: PgPool) {
    a_world(&pool).await;
    let remove = |who: Thing, whom: Thing| {
        by(
            who,
            format!(
                "select public.remove_member('{}', '{}')",
                ALPHA.id(),
                ALPHA.of(whom)
            ),
        )
    };
    let second = one_after_the_other(
        &pool,
        remove(Thing::Owner, Thing::Admin),
        remove(Thing::Admin, Thing::Viewer),
    )
    .await;
    assert_eq!(second.as_deref(), Some("not_found"));
    let left = "select count(*) from public.memberships where tenant_id = $1 and user_id <> $2";
    assert_eq!(number(&pool, left).await, 6);
    access_is_as_derived(&pool).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_snapshot_from_before_a_change_changes_no_access(pool: PgPool) {
    a_world(&pool).await;
    let options = (*pool.connect_options()).clone();
    let mut late = open(&options, "repeatable read", &as_operator("")).await;
    let seen: i64 = sqlx::query_scalar("select count(*) from public.memberships")
        .fetch_one(&mut late)
        .await
        .expect("a snapshot");
    assert!(seen > 0);
    pool.execute(sqlx::raw_sql(AssertSqlSafe(suspend().statement)))
        .await
        .expect("suspended meanwhile");

    // What it sees is active still, and would be made so again.
    let added = sqlx::query(
        "insert into public.memberships (tenant_id, user_id, role) values ($1, $2, 'editor')",
    )
    .bind(ALPHA.id())
    .bind(ALPHA.of(Thing::Former))
    .execute(&mut late)
    .await;
    assert_eq!(
        added.err().map(|error| code(&error)).as_deref(),
        Some("40001")
    );
    late.close().await.expect("closed");
    access_is_as_derived(&pool).await;
}
