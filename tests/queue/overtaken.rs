//! A lane remembers up to where it was taken. Nothing that was on its way at that moment is passed over.

use sqlx::PgPool;

use crate::stage::{Stage, enqueue_in, tenant};

/// So many that a claim of them writes down how far it came; with fewer it is chance.
const MANY: u32 = 1_100;
const MORE: i32 = 2 * MANY.cast_signed();

#[sqlx::test(migrations = "../migrations")]
async fn who_commits_late_is_not_passed_over(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut late = stage.pool.begin().await.unwrap();
    enqueue_in(&mut late, 1, 1, 0, 1).await;
    stage.enqueue(1, 1, 0, MANY).await;
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), MANY as usize);
    assert_eq!(stage.claim("w", MORE, &[]).await, []);
    late.commit().await.unwrap();
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_somebody_holds_is_left_and_taken_later(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, MANY).await;
    let mut holder = stage.pool.begin().await.unwrap();
    sqlx::query("select from queue.jobs order by ready_in, execution_id limit 1 for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), MANY as usize - 1);
    stage.enqueue(1, 1, 0, MANY).await;
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), MANY as usize);
    holder.rollback().await.unwrap();
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 1);
}

/// A backlog that one transaction made: what was taken of it before is not read again, and what somebody held meanwhile is not passed over.
#[sqlx::test(migrations = "../migrations")]
async fn what_was_taken_of_one_transaction_is_passed(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 2 * MANY).await;
    until_nothing_older_runs(&stage).await;
    let mut holder = stage.pool.begin().await.unwrap();
    // Not the row at this offset itself, since those before it would be locked as well.
    sqlx::query(
        "select from queue.jobs
          where execution_id = (select execution_id from queue.jobs order by ready_in, execution_id offset 10 limit 1) for update",
    )
    .execute(&mut *holder)
    .await
    .unwrap();
    assert_eq!(
        stage.claim("w", MANY.cast_signed(), &[]).await.len(),
        MANY as usize - 1
    );
    assert_eq!(passed(&stage).await, 10);
    holder.rollback().await.unwrap();

    assert_eq!(
        stage.claim("w", MANY.cast_signed(), &[]).await.len(),
        MANY as usize
    );
    assert_eq!(passed(&stage).await, 2 * i64::from(MANY) - 1);
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 1);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_claim_begins_at_the_place_that_the_lane_remembers(pool: PgPool) {
    claim_from_remembered_places(pool, 1).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_claim_begins_at_the_places_that_several_lanes_remember(pool: PgPool) {
    claim_from_remembered_places(pool, 2).await;
}

/// The places are in the middle of what one transaction made.
async fn claim_from_remembered_places(pool: PgPool, lanes: u32) {
    let stage = Stage::with_tenants(pool, lanes).await;
    for number in 1..=lanes {
        stage.enqueue(number, 1, 0, 10).await;
    }
    until_nothing_older_runs(&stage).await;
    stage
        .run(
            "update queue.lanes l
                set (taken_to, taken_to_execution) = (
                      select j.ready_in, j.execution_id from queue.jobs j where j.tenant_id = l.tenant_id order by j.execution_id offset 6 limit 1)",
        )
        .await;
    let claimed = stage.claim("w", MORE, &[]).await.len();
    assert_eq!(claimed, 4 * lanes as usize);
}

/// Than what made the jobs: a lane remembers nothing of a transaction before that, and other tests run on the same server.
async fn until_nothing_older_runs(stage: &Stage) {
    while !sqlx::query_scalar::<_, bool>(
        "select bool_and(ready_in < pg_snapshot_xmin(pg_current_snapshot())) from queue.jobs",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap()
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// How many jobs come before the place that the lane remembers.
async fn passed(stage: &Stage) -> i64 {
    sqlx::query_scalar(
        "select count(*) from public.executions e, queue.lanes l
          where e.id < l.taken_to_execution and l.taken_to = (select min(ready_in) from queue.jobs)",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap()
}

/// After a restore into another cluster transactions are counted from anew.
#[sqlx::test(migrations = "../migrations")]
async fn a_lane_that_remembers_the_future_begins_again(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 3).await;
    stage
        .run("update queue.lanes set taken_to = '9000000000000000000'")
        .await;
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 3);
}

/// Somebody saw the lane open and did nothing, and it was closed before the job was there to be seen.
#[sqlx::test(migrations = "../migrations")]
async fn a_job_in_a_closed_lane_is_found(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 1).await;
    stage.enqueue(2, 2, 3, 1).await;
    stage.run("delete from queue.lanes").await;
    stage
        .run("update queue.state set looked_everywhere_at = now() - interval '11 s'")
        .await;
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 2);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_lane_that_has_been_empty_is_closed_and_opened_again(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage.enqueue(1, 1, 0, 1).await;
    stage.claim("w", MORE, &[]).await;
    stage
        .run("update queue.lanes set busy_at = now() - interval '31 s'")
        .await;
    stage.claim("w", MORE, &[]).await;
    let lanes: i64 = sqlx::query_scalar("select count(*) from queue.lanes where tenant_id = $1")
        .bind(tenant(1))
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(lanes, 0);
    stage.enqueue(1, 1, 0, 1).await;
    assert_eq!(stage.claim("w", MORE, &[]).await.len(), 1);
}

/// Many who enqueue while many claim, with an old snapshot open all the while: each job is claimed, and once.
#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_lost_and_nothing_is_doubled_under_load(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    let mut old = stage.pool.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read")
        .execute(&mut *old)
        .await
        .unwrap();
    sqlx::query("select count(*) from queue.jobs")
        .execute(&mut *old)
        .await
        .unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4_u32 {
        let pool = stage.pool.clone();
        tasks.spawn(async move {
            let stage = Stage { pool };
            for round in 0..25 {
                stage
                    .enqueue(1 + number % 2, 1 + round % 2, 0, 1 + round % 9)
                    .await;
            }
            Vec::new()
        });
    }
    let wanted: usize = 4 * (0..25).map(|round| 1 + round % 9).sum::<usize>();
    for number in 0..2 {
        let pool = stage.pool.clone();
        tasks.spawn(async move {
            let stage = Stage { pool };
            let mut claimed = Vec::new();
            let mut empty = 0;
            while empty < 200 {
                let came = stage.claim(&format!("w{number}"), 50, &[]).await;
                if came.is_empty() {
                    empty += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                } else {
                    empty = 0;
                    stage.finish(&format!("w{number}"), &came).await;
                    claimed.extend(came.into_iter().map(|claimed| claimed.execution));
                }
            }
            claimed
        });
    }
    let mut claimed = tasks.join_all().await.concat();
    old.rollback().await.unwrap();
    assert_eq!(claimed.len(), wanted);
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), wanted, "none twice");
}
