//! Months: made ahead, found by id, and gone when there is nothing left in them.

use sqlx::PgPool;

use crate::stage::{Stage, tenant};

/// An execution of tenant 1 with a step, as it was so many days ago: its id says when it was made.
async fn execution(stage: &Stage, days_ago: i32, status: &str) {
    sqlx::query(
        "with made as (
           insert into public.executions (tenant_id, id, workflow_id, workflow_version, status, idempotency_key, created_at, finished_at)
           select w.tenant_id, at.id, w.id, 1, $3, 'key of ' || $2, at.instant, case when $3 = 'succeeded' then at.instant end
             from public.workflows w,
                  lateral (select now() - $2 * interval '1 day' as instant) t,
                  lateral (select t.instant, (left(private.first_id_at(t.instant)::text, 14) || '7000-8000-000000000001')::uuid as id) at
            where w.tenant_id = $1 limit 1
           returning tenant_id, id, workflow_id, idempotency_key
         ),
         known as (
           insert into private.execution_keys (tenant_id, workflow_id, key, execution_id) select tenant_id, workflow_id, idempotency_key, id from made
         )
         insert into public.execution_steps (tenant_id, execution_id, node_id, kind, status, revision)
         select tenant_id, id, 'start', 'manual', 'succeeded', 1 from made",
    )
    .bind(tenant(1))
    .bind(days_ago)
    .bind(status)
    .execute(&stage.pool)
    .await
    .unwrap();
}

async fn count(stage: &Stage, query: &'static str) -> i64 {
    sqlx::query_scalar(query)
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn this_month_and_the_next_three_are_there(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    assert_eq!(
        count(
            &stage,
            "select count(*) from pg_inherits where inhparent = 'public.executions'::regclass"
        )
        .await,
        5
    );
    assert_eq!(
        count(&stage, "select queue.keep_history()::bigint").await,
        0
    );
    execution(&stage, 0, "succeeded").await;
    assert_eq!(
        count(&stage, "select count(*) from history.executions_other").await,
        0
    );
}

/// A month that nobody made in time: its rows are kept, and move when it is made.
#[sqlx::test(migrations = "../migrations")]
async fn rows_of_a_month_that_is_made_late_move_into_it(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    execution(&stage, 400, "succeeded").await;
    assert_eq!(
        count(&stage, "select count(*) from history.executions_other").await,
        1
    );
    stage
        .run(
            "select queue.make_partition('public.executions', 'id', date_trunc('month', now() - interval '400 days')::date),
                    queue.make_partition('public.execution_steps', 'execution_id', date_trunc('month', now() - interval '400 days')::date)",
        )
        .await;
    assert_eq!(
        count(&stage, "select count(*) from history.executions_other").await,
        0
    );
    assert_eq!(count(&stage, "select count(*) from public.executions e join public.execution_steps s on s.execution_id = e.id").await, 1);
    assert_eq!(
        count(&stage, "select queue.drop_empty_months()::bigint").await,
        0,
        "there is something in it"
    );
    stage.run("delete from public.executions").await;
    assert_eq!(
        count(&stage, "select queue.drop_empty_months()::bigint").await,
        2
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_older_than_the_plan_keeps_it_goes_with_all_that_hangs_on_it(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    stage
        .run("update public.subscription_plans set history_days = 30 where key = 'enterprise'")
        .await;
    for days_ago in [1, 29, 31, 400] {
        execution(&stage, days_ago, "succeeded").await;
    }
    // Not over, however old it is.
    execution(&stage, 90, "running").await;
    let dropped = "select queue.drop_old_history(1)::bigint";
    assert_eq!(
        (
            count(&stage, dropped).await,
            count(&stage, dropped).await,
            count(&stage, dropped).await
        ),
        (1, 1, 0)
    );
    for left in [
        "select count(*) from public.executions",
        "select count(*) from public.execution_steps",
        "select count(*) from private.execution_keys",
    ] {
        assert_eq!(count(&stage, left).await, 3, "{left}");
    }
}

/// The key is unique over all months.
#[sqlx::test(migrations = "../migrations")]
async fn a_key_starts_one_execution_however_many_call(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let start = async || {
        sqlx::query_scalar::<_, uuid::Uuid>(
            "select (private.enqueue_execution(w, '{}', 'order 7', null, 'manual')).id from public.workflows w where w.tenant_id = $1 order by w.id limit 1",
        )
        .bind(tenant(1))
        .fetch_one(&stage.pool)
        .await
        .unwrap()
    };
    let (one, two, three) = tokio::join!(start(), start(), start());
    assert!(one == two && two == three);
    assert_eq!(
        count(&stage, "select count(*) from public.executions").await,
        1
    );
    assert_eq!(count(&stage, "select count(*) from queue.jobs").await, 1);
}
