//! Reservations: every way that one can end, and every place where its holder can be killed.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use support::{Database, assert_slots_add_up, refusal, set, sqlstate, status, take};
use uuid::Uuid;

const METER: &str = "llm_tokens";

#[tokio::test]
async fn settling_replaces_the_estimate_by_what_it_was() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, METER, "flow", Some(100)).await;

    let id = reserve(&mut c, tenant, 60, "10 minutes").await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (0, 60, 40));
    assert!(reserve(&mut c, tenant, 41, "10 minutes").await.is_err());
    settle(&mut c, id, 25).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (25, 0, 75));
    // Once is all it can be settled.
    assert_eq!(
        sqlstate(&settle(&mut c, id, 25).await.unwrap_err()),
        "22023"
    );

    let id = reserve(&mut c, tenant, 75, "10 minutes").await.unwrap();
    sqlx::query("select aias.quota_release($1)")
        .bind(id)
        .execute(&mut c)
        .await
        .unwrap();
    assert_eq!(counts(&mut c, tenant).await, (25, 0, 75));
    let id = reserve(&mut c, tenant, 10, "10 minutes").await.unwrap();
    settle(&mut c, id, 0).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (25, 0, 75));
    assert_slots_add_up(&mut c, tenant, METER).await;
    database.remove().await;
}

#[tokio::test]
async fn more_than_was_reserved_is_charged_and_then_nothing_is_admitted_until_it_fits() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, METER, "flow", Some(100)).await;
    let dear = reserve(&mut c, tenant, 10, "10 minutes").await.unwrap();
    let other = reserve(&mut c, tenant, 50, "10 minutes").await.unwrap();
    settle(&mut c, dear, 30).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (30, 50, 20));

    let dear = reserve(&mut c, tenant, 20, "10 minutes").await.unwrap();
    settle(&mut c, dear, 75).await.unwrap();
    // 30 + 75 used and 50 reserved, of 100.
    assert_eq!(counts(&mut c, tenant).await, (105, 50, 0));
    assert!(take(&mut c, tenant, METER, 1).await.is_err());
    settle(&mut c, other, 1).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (106, 0, 0));
    let error = take(&mut c, tenant, METER, 1).await.unwrap_err();
    assert_eq!(refusal(&error).unwrap().details()["used"], 106);
    assert_eq!(refusal(&error).unwrap().headers["X-Quota-Remaining"], "0");
    database.remove().await;
}

#[tokio::test]
async fn a_reservation_is_spent_bit_by_bit_and_its_last_gives_back_the_rest() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, METER, "flow", Some(100)).await;
    let block = reserve(&mut c, tenant, 60, "10 minutes").await.unwrap();
    spend(&mut c, tenant, block, 25, false).await;
    assert_eq!(counts(&mut c, tenant).await, (25, 35, 40));
    spend(&mut c, tenant, block, 5, true).await;
    assert_eq!(counts(&mut c, tenant).await, (30, 0, 70));
    assert_slots_add_up(&mut c, tenant, METER).await;

    // All of it, and more than all of it.
    let block = reserve(&mut c, tenant, 20, "10 minutes").await.unwrap();
    spend(&mut c, tenant, block, 20, false).await;
    assert_eq!(counts(&mut c, tenant).await, (50, 0, 50));
    spend(&mut c, tenant, block, 60, false).await;
    assert_eq!(counts(&mut c, tenant).await, (110, 0, 0));
    spend(&mut c, tenant, block, 0, true).await;
    spend(&mut c, tenant, block, 0, true).await;
    assert_eq!(counts(&mut c, tenant).await, (110, 0, 0));
    // It is no more, and what is said of it counts.
    spend(&mut c, tenant, block, 7, true).await;
    assert_eq!(counts(&mut c, tenant).await, (117, 0, 0));
    database.remove().await;
}

#[tokio::test]
async fn what_is_spent_of_a_lapsed_reservation_is_charged() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, METER, "flow", Some(100)).await;
    let block = reserve(&mut c, tenant, 90, "100 milliseconds")
        .await
        .unwrap();
    spend(&mut c, tenant, block, 10, false).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    // Somebody needs what it holds, which is what it has not spent.
    take(&mut c, tenant, METER, 85).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (95, 0, 5));
    spend(&mut c, tenant, block, 30, true).await;
    assert_eq!(counts(&mut c, tenant).await, (125, 0, 0));
    database.remove().await;
}

#[tokio::test]
async fn a_lapsed_reservation_is_given_back_to_whoever_needs_it() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut c, tenant, METER, "flow", Some(100)).await;
    let lost = reserve(&mut c, tenant, 90, "100 milliseconds")
        .await
        .unwrap();
    assert!(take(&mut c, tenant, METER, 11).await.is_err());
    tokio::time::sleep(Duration::from_millis(150)).await;

    // Nobody has swept; the status knows it all the same.
    assert_eq!(counts(&mut c, tenant).await, (0, 0, 100));
    take(&mut c, tenant, METER, 95).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (95, 0, 5));

    // The holder was only slow. What it has used is charged, though the estimate is gone.
    settle(&mut c, lost, 20).await.unwrap();
    assert_eq!(counts(&mut c, tenant).await, (115, 0, 0));
    assert_eq!(
        sqlstate(&settle(&mut c, lost, 20).await.unwrap_err()),
        "22023"
    );
    database.remove().await;
}

#[tokio::test]
async fn sweeping_gives_back_what_lapsed_everywhere_and_nothing_else() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let tenants: Vec<_> = (0..5).map(|_| Uuid::now_v7()).collect();
    for tenant in &tenants {
        set(&mut c, *tenant, METER, "flow", Some(100)).await;
        for _ in 0..3 {
            reserve(&mut c, *tenant, 10, "50 milliseconds")
                .await
                .unwrap();
        }
        reserve(&mut c, *tenant, 7, "10 minutes").await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(80)).await;
    let sweep = "select aias.quota_sweep($1)";
    let (first,): (i64,) = sqlx::query_as(sweep)
        .bind(4i64)
        .fetch_one(&mut c)
        .await
        .unwrap();
    let (rest,): (i64,) = sqlx::query_as(sweep)
        .bind(1000i64)
        .fetch_one(&mut c)
        .await
        .unwrap();
    assert_eq!((first, rest), (4, 11));
    for tenant in &tenants {
        assert_eq!(counts(&mut c, *tenant).await, (0, 7, 93));
        let (counted,): (i64,) =
            sqlx::query_as("select sum(used)::bigint from aias.quota_slots where tenant_id = $1")
                .bind(tenant)
                .fetch_one(&mut c)
                .await
                .unwrap();
        assert_eq!(counted, 7);
    }
    database.remove().await;
}

#[tokio::test]
async fn of_two_that_end_a_reservation_at_once_one_does() {
    let database = Database::create().await;
    let (mut a, mut b) = (database.connect().await, database.connect().await);
    let tenant = Uuid::now_v7();
    set(&mut a, tenant, METER, "flow", Some(100)).await;
    for _ in 0..20 {
        let id = reserve(&mut a, tenant, 10, "10 minutes").await.unwrap();
        let before = counts(&mut a, tenant).await.0;
        let (one, two) = tokio::join!(settle(&mut a, id, 3), settle(&mut b, id, 4));
        let charged = counts(&mut a, tenant).await.0 - before;
        match (one, two) {
            (Ok(()), Err(error)) => {
                assert_eq!((charged, sqlstate(&error).as_str()), (3, "22023"));
            }
            (Err(error), Ok(())) => {
                assert_eq!((charged, sqlstate(&error).as_str()), (4, "22023"));
            }
            other => panic!("{other:?}"),
        }
    }
    database.remove().await;
}

/// The steps of a holder: begin, reserve, commit, work, begin, settle, commit. It is killed after each of them.
#[tokio::test]
async fn a_killed_holder_leaves_nothing_reserved_and_exactly_what_was_settled_used() {
    let database = Database::create().await;
    let mut watch = database.connect().await;
    let tenant = Uuid::now_v7();
    set(&mut watch, tenant, METER, "flow", Some(100)).await;
    let mut settled = 0;
    for steps in 0..=6 {
        let mut holder = database.connect().await;
        let (pid,): (i32,) = sqlx::query_as("select pg_backend_pid()")
            .fetch_one(&mut holder)
            .await
            .unwrap();
        let mut id = None;
        for step in 0..steps {
            match step {
                0 | 3 => holder.execute("begin").await.map(drop).unwrap(),
                1 => {
                    id = Some(
                        reserve(&mut holder, tenant, 10, "200 milliseconds")
                            .await
                            .unwrap(),
                    )
                }
                2 | 5 => holder.execute("commit").await.map(drop).unwrap(),
                _ => settle(&mut holder, id.unwrap(), 4).await.unwrap(),
            }
        }
        if steps == 6 {
            settled += 4;
        }
        kill(&mut watch, pid).await;
        assert!(holder.ping().await.is_err());
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(
            counts(&mut watch, tenant).await,
            (settled, 0, 100 - settled),
            "after {steps} steps"
        );
    }
    sqlx::query("select aias.quota_sweep()")
        .execute(&mut watch)
        .await
        .unwrap();
    assert_eq!(
        counts(&mut watch, tenant).await,
        (settled, 0, 100 - settled)
    );
    take(&mut watch, tenant, METER, 100 - settled)
        .await
        .unwrap();
    assert!(take(&mut watch, tenant, METER, 1).await.is_err());
    assert_slots_add_up(&mut watch, tenant, METER).await;
    database.remove().await;
}

async fn kill(c: &mut PgConnection, pid: i32) {
    sqlx::query("select pg_terminate_backend($1)")
        .bind(pid)
        .execute(&mut *c)
        .await
        .unwrap();
    for _ in 0..200 {
        let (alive,): (bool,) =
            sqlx::query_as("select exists (select from pg_stat_activity where pid = $1)")
                .bind(pid)
                .fetch_one(&mut *c)
                .await
                .unwrap();
        if !alive {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the session {pid} does not end");
}

async fn reserve(
    c: &mut PgConnection,
    tenant: Uuid,
    amount: i64,
    lease: &str,
) -> sqlx::Result<Uuid> {
    sqlx::query_scalar("select aias.quota_reserve($1, 'llm_tokens', $2, $3::interval)")
        .bind(tenant)
        .bind(amount)
        .bind(lease)
        .fetch_one(c)
        .await
}

async fn spend(c: &mut PgConnection, tenant: Uuid, block: Uuid, amount: i64, is_last: bool) {
    sqlx::query("select aias.quota_spend($1, $2, $3, $4, $5)")
        .bind(tenant)
        .bind(METER)
        .bind(block)
        .bind(amount)
        .bind(is_last)
        .execute(c)
        .await
        .unwrap();
}

async fn settle(c: &mut PgConnection, id: Uuid, actual: i64) -> sqlx::Result<()> {
    sqlx::query("select aias.quota_settle($1, $2)")
        .bind(id)
        .bind(actual)
        .execute(c)
        .await
        .map(drop)
}

/// Used, reserved, remaining.
async fn counts(c: &mut PgConnection, tenant: Uuid) -> (i64, i64, i64) {
    let status = status(c, tenant, METER).await;
    (status.used, status.reserved, status.remaining.unwrap())
}
