//! Workflows that start by the clock.

use serde_json::{Value, json};
use sqlx::{PgPool, Row};
use tests::seed::{ALPHA, ALPHA_VIEWER, STRANGER};
use uuid::Uuid;

use crate::support::{Stage, Worker};

/// Publishes a workflow of Alpha with this schedule.
async fn scheduled(stage: &Stage, config: Value) -> Uuid {
    let mut config = config;
    config["kind"] = json!("schedule");
    let nodes = json!([{"id": "start", "type": "trigger", "config": config}]);
    stage.workflow(nodes, json!([])).await
}

/// An hourly schedule that is due in half an hour, and was due half an hour ago and each hour before that.
async fn half_past(pool: &PgPool) -> String {
    sqlx::query_scalar(
        "select extract(minute from now() at time zone 'UTC' + interval '30 min')::text || ' * * * *'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// As if no worker had been there for so long.
async fn nobody_came(pool: &PgPool, workflow: Uuid, interval: &str) {
    sqlx::query("update queue.schedules set handled_until = now() - $2::text::interval, run_at = now() where workflow_id = $1")
        .bind(workflow)
        .bind(interval)
        .execute(pool)
        .await
        .unwrap();
}

async fn inputs(pool: &PgPool, workflow: Uuid) -> Vec<Value> {
    sqlx::query_scalar("select input from public.executions where workflow_id = $1 order by input ->> 'scheduled_at'")
        .bind(workflow)
        .fetch_all(pool)
        .await
        .unwrap()
}

/// `(fencing token, handled until)` when this worker got it.
async fn claim(pool: &PgPool, worker: &str) -> Vec<(Uuid, i64)> {
    sqlx::query_as(
        "select workflow_id, fencing_token from queue.claim_schedules($1, 10, interval '1 min')",
    )
    .bind(worker)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// `accepted` and `started`.
async fn run<'e>(
    executor: impl sqlx::PgExecutor<'e>,
    worker: &str,
    workflow: Uuid,
    token: i64,
    instants: &[&str],
) -> (bool, i32) {
    let row = sqlx::query(
        "select accepted, started from queue.run_schedule($1, $2, $3, $4, $5::text[]::timestamptz[], now(), now() + interval '1 hour')",
    )
    .bind(worker)
    .bind(ALPHA)
    .bind(workflow)
    .bind(token)
    .bind(instants)
    .fetch_one(executor)
    .await
    .unwrap();
    (row.get(0), row.get(1))
}

/// Long past, so that only what a test says about it counts.
const NOON: &str = "2020-01-01 12:00Z";

async fn long_ago(pool: &PgPool, workflow: Uuid) {
    sqlx::query("update queue.schedules set handled_until = '2020-01-01Z', run_at = now() where workflow_id = $1")
        .bind(workflow)
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn a_schedule_starts_at_its_time_and_goes_on(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = scheduled(
        &stage,
        json!({"cron": "* * * * *", "timezone": "Europe/Berlin"}),
    )
    .await;
    let worker = Worker::start(&stage, &[]);
    let is_planned = "select next_run_at > now() and run_at = next_run_at from queue.schedules where workflow_id = $1";
    assert!(stage.becomes_true(is_planned, workflow).await);
    assert!(inputs(&pool, workflow).await.is_empty(), "nothing was due");

    nobody_came(&pool, workflow, "61 s").await;
    sqlx::query("select pg_notify('aias_schedules', '')")
        .execute(&pool)
        .await
        .unwrap();
    let has_run = "select last_run_at is not null and next_run_at = last_run_at + interval '1 min' from queue.schedules where workflow_id = $1";
    assert!(stage.becomes_true(has_run, workflow).await);
    let has_ended = "select status = 'succeeded' from public.executions where workflow_id = $1";
    assert!(stage.becomes_true(has_ended, workflow).await);
    worker.stop().await;
    let last_run: String = sqlx::query_scalar(
        "select to_char(last_run_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from queue.schedules where workflow_id = $1",
    )
    .bind(workflow)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        inputs(&pool, workflow).await.last(),
        Some(&json!({"scheduled_at": last_run, "timezone": "Europe/Berlin"}))
    );
}

#[sqlx::test(migrations = "../migrations")]
async fn missed_times_are_left_out_run_once_or_all(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let cron = half_past(&pool).await;
    let mut workflows = Vec::new();
    for (missed, expected) in [("skip", 0), ("once", 1), ("all", 3)] {
        let workflow = scheduled(&stage, json!({"cron": cron, "missed": missed})).await;
        nobody_came(&pool, workflow, "3 hours").await;
        workflows.push((workflow, missed, expected));
    }
    let worker = Worker::start(&stage, &[]);
    for (workflow, missed, expected) in workflows {
        let is_planned = "select next_run_at between now() and now() + interval '31 min' from queue.schedules where workflow_id = $1";
        assert!(stage.becomes_true(is_planned, workflow).await, "{missed}");
        let inputs = inputs(&pool, workflow).await;
        assert_eq!(inputs.len(), expected, "{missed}: {inputs:?}");
        let told: Option<String> =
            sqlx::query_scalar("select last_error from queue.schedules where workflow_id = $1")
                .bind(workflow)
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(told.is_some(), missed == "skip", "{told:?}");
    }
    worker.stop().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn two_workers_start_each_time_once(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let cron = half_past(&pool).await;
    let mut workflows = Vec::new();
    for _ in 0..20 {
        let workflow = scheduled(&stage, json!({"cron": cron, "missed": "all"})).await;
        nobody_came(&pool, workflow, "2 hours").await;
        workflows.push(workflow);
    }
    let workers = [Worker::start(&stage, &[]), Worker::start(&stage, &[])];
    for workflow in workflows {
        let is_planned =
            "select next_run_at is not null from queue.schedules where workflow_id = $1";
        assert!(stage.becomes_true(is_planned, workflow).await);
        assert_eq!(inputs(&pool, workflow).await.len(), 2);
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn one_worker_has_a_schedule_at_a_time(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = scheduled(&stage, json!({"cron": "0 12 * * *"})).await;
    let (a, b) = tokio::join!(claim(&pool, "a"), claim(&pool, "b"));
    assert_eq!(a.len() + b.len(), 1, "{a:?} {b:?}");
    let (worker, other) = if a.is_empty() { ("b", "a") } else { ("a", "b") };
    long_ago(&pool, workflow).await;
    assert_eq!(run(&pool, other, workflow, 1, &[NOON]).await, (false, 0));
    assert_eq!(run(&pool, worker, workflow, 0, &[NOON]).await, (false, 0));
    assert_eq!(run(&pool, worker, workflow, 1, &[NOON]).await, (true, 1));
    // Done is done: it gave the lease up.
    assert_eq!(run(&pool, worker, workflow, 1, &[NOON]).await, (false, 0));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_worker_that_dies_in_between_starts_nothing_twice(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = scheduled(&stage, json!({"cron": "0 12 * * *"})).await;
    long_ago(&pool, workflow).await;
    assert_eq!(claim(&pool, "a").await, [(workflow, 1)]);
    // Before the commit: it starts nothing and moves nothing.
    let mut dying = pool.begin().await.unwrap();
    assert_eq!(run(&mut *dying, "a", workflow, 1, &[NOON]).await, (true, 1));
    dying.rollback().await.unwrap();
    assert!(inputs(&pool, workflow).await.is_empty());
    assert!(claim(&pool, "b").await.is_empty(), "the lease is not over");

    sqlx::query("update queue.schedules set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(claim(&pool, "b").await, [(workflow, 2)]);
    // It was only slow, and comes back.
    assert_eq!(run(&pool, "a", workflow, 1, &[NOON]).await, (false, 0));
    assert_eq!(run(&pool, "b", workflow, 2, &[NOON]).await, (true, 1));

    // After the commit, and nobody heard of it: the same time again, by whoever comes next, is the same execution.
    for token in [3, 4] {
        long_ago(&pool, workflow).await;
        assert_eq!(claim(&pool, "c").await, [(workflow, token)]);
        assert!(run(&pool, "c", workflow, token, &[NOON]).await.0);
    }
    assert_eq!(
        inputs(&pool, workflow).await,
        [json!({"scheduled_at": "2020-01-01T12:00:00Z", "timezone": "UTC"})]
    );
    let jobs = stage.jobs().await;
    assert_eq!(jobs, 1);
    // What is dealt with is not dealt with again.
    sqlx::query("update queue.schedules set run_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(claim(&pool, "d").await, [(workflow, 5)]);
    assert_eq!(
        run(&pool, "d", workflow, 5, &["2020-01-01 13:00Z"]).await,
        (true, 0)
    );
}

/// `last_error` as a person sees it.
async fn seen_by(
    pool: &PgPool,
    person: tests::seed::Person,
    workflow: Uuid,
) -> Option<Option<String>> {
    let mut person = person.actor().begin(pool).await.unwrap();
    sqlx::query_scalar("select last_error from public.workflow_schedules where workflow_id = $1")
        .bind(workflow)
        .fetch_optional(&mut *person)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_plan_that_is_used_up_is_told_and_the_schedule_goes_on(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let tenant = async |change: &str| {
        let sql = sqlx::AssertSqlSafe(format!("update public.tenants set {change} where id = $1"));
        sqlx::query(sql).bind(ALPHA).execute(&pool).await.unwrap();
    };
    let workflow = scheduled(&stage, json!({"cron": "0 12 * * *"})).await;
    let times = [
        "2020-01-01 12:00Z",
        "2020-01-02 12:00Z",
        "2020-01-03 12:00Z",
    ];
    tenant(r#"limit_overrides = '{"executions": 1}'"#).await;
    long_ago(&pool, workflow).await;
    claim(&pool, "a").await;
    assert_eq!(run(&pool, "a", workflow, 1, &times).await, (true, 1));
    assert_eq!(inputs(&pool, workflow).await.len(), 1);
    let told = seen_by(&pool, ALPHA_VIEWER, workflow)
        .await
        .unwrap()
        .unwrap();
    assert!(told.contains("executions"), "{told}");
    assert_eq!(seen_by(&pool, STRANGER, workflow).await, None);

    tenant("limit_overrides = '{}', status = 'suspended'").await;
    long_ago(&pool, workflow).await;
    claim(&pool, "a").await;
    assert_eq!(run(&pool, "a", workflow, 2, &times[1..]).await, (true, 0));
    assert_eq!(
        seen_by(&pool, ALPHA_VIEWER, workflow)
            .await
            .unwrap()
            .unwrap(),
        "this tenant is suspended and starts no executions"
    );

    tenant("status = 'active'").await;
    long_ago(&pool, workflow).await;
    claim(&pool, "a").await;
    assert_eq!(run(&pool, "a", workflow, 3, &times[1..]).await, (true, 2));
    assert_eq!(seen_by(&pool, ALPHA_VIEWER, workflow).await, Some(None));
}

#[sqlx::test(migrations = "../migrations")]
async fn a_schedule_is_that_of_the_published_version(pool: PgPool) {
    let stage = Stage::set(&pool).await;
    let workflow = scheduled(&stage, json!({"cron": "0 12 * * *"})).await;
    let change = async |change: &str| {
        let sql = sqlx::AssertSqlSafe(format!(
            "update public.workflows set {change} where id = $1"
        ));
        sqlx::query(sql)
            .bind(workflow)
            .execute(&pool)
            .await
            .unwrap();
    };
    let schedule = async || {
        sqlx::query_as::<_, (i32, String, String)>(
            "select version, cron, missed from queue.schedules where workflow_id = $1",
        )
        .bind(workflow)
        .fetch_optional(&pool)
        .await
        .unwrap()
    };
    let drawn = |cron: &str, missed: &str| {
        format!(
            r#"nodes = '[{{"id": "start", "type": "trigger", "config": {{"kind": "schedule", "cron": "{cron}", "missed": "{missed}"}}}}]'"#
        )
    };
    long_ago(&pool, workflow).await;
    claim(&pool, "a").await;
    // The same times: what is under way goes on.
    change(&drawn("0 12 * * *", "all")).await;
    assert_eq!(
        schedule().await,
        Some((2, "0 12 * * *".into(), "all".into()))
    );
    assert!(run(&pool, "a", workflow, 1, &[NOON]).await.0);
    let version: i32 =
        sqlx::query_scalar("select workflow_version from public.executions where workflow_id = $1")
            .bind(workflow)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(version, 2, "what starts is what is published");

    // Other times begin now, and whoever has computed the old ones is refused.
    long_ago(&pool, workflow).await;
    assert_eq!(claim(&pool, "a").await, [(workflow, 2)]);
    change(&drawn("0 13 * * *", "all")).await;
    assert_eq!(
        run(&pool, "a", workflow, 2, &["2020-01-02 12:00Z"]).await,
        (false, 0)
    );
    assert_eq!(
        schedule().await,
        Some((3, "0 13 * * *".into(), "all".into()))
    );
    let begins_now: bool = sqlx::query_scalar("select handled_until > now() - interval '1 min' and next_run_at is null from queue.schedules")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(begins_now);

    change("status = 'paused'").await;
    assert_eq!(schedule().await, None);
    change("status = 'active'").await;
    assert_eq!(schedule().await.unwrap().0, 3);
    change(r#"nodes = '[{"id": "start", "type": "trigger", "config": {"kind": "manual"}}]'"#).await;
    assert_eq!(schedule().await, None);
}
