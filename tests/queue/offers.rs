//! Jobs that are offered with all that they begin with, and had by whoever records first.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::stage::{self, Stage, by_tenant, tenant, workflow};

type Key = (Uuid, Uuid);

/// What one that listens is told: an offer, or only that there is something.
async fn told(listener: &mut PgListener) -> Option<Value> {
    let notice = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
    let notice = notice.expect("a notice").unwrap();
    (notice.channel() != "aias_jobs").then(|| serde_json::from_str(notice.payload()).unwrap())
}

fn key(offer: &Value) -> Key {
    let id = |name: &str| offer[name].as_str().unwrap().parse().unwrap();
    (id("tenant_id"), id("execution_id"))
}

async fn offered(listener: &mut PgListener) -> Key {
    key(&told(listener).await.expect("an offer"))
}

/// The first record of what was offered. Answers which were to be had; it is written when all were.
async fn record(pool: &PgPool, worker: &str, keys: &[Key], status: &str) -> Vec<bool> {
    let (tenants, executions): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
    let held: Vec<(bool, bool)> = sqlx::query_as(
        "with given as (select $2::uuid[] as tenants, $3::uuid[] as executions, array[cardinality($2::uuid[])] as size)
         select held, written from given, queue.record($1, '30 s', tenants, executions, array_fill(0::bigint, size), array_fill($4, size),
           array_fill(null::timestamptz, size), array_fill(case when $4 = 'succeeded' then '{}'::jsonb end, size), array_fill(null::jsonb, size),
           array_fill(now(), size), array_fill(0, size), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .bind(worker)
    .bind(tenants)
    .bind(executions)
    .bind(status)
    .fetch_all(pool)
    .await
    .unwrap();
    let all = held.iter().all(|told| told.0);
    assert!(held.iter().all(|told| told.1 == all), "{held:?}");
    held.into_iter().map(|told| told.0).collect()
}

/// As the only worker there is.
async fn listen(stage: &Stage) -> PgListener {
    stage
        .run("insert into queue.workers (worker) values ('only')")
        .await;
    let mut listener = PgListener::connect_with(&stage.pool).await.unwrap();
    stage::listen(&mut listener).await;
    listener
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_offered_is_had_once_by_many_and_not_claimed(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    for number in 0..20 {
        stage.enqueue(1, 1, 0, 1).await;
        let offered = offered(&mut listener).await;
        let status = ["running", "succeeded"][number % 2];
        // One claims, seven record.
        let records = (0..7).map(async |number| {
            record(&stage.pool, &format!("w{number}"), &[offered], status).await[0]
        });
        let (had, claimed) = tokio::join!(join_all(records), stage.claim("w", 5, &[]));
        let times = had.iter().filter(|had| **had).count() + claimed.len();
        assert_eq!(times, 1, "{had:?} {claimed:?}");
        let left: Option<(i64, String)> = sqlx::query_as(
            "delete from queue.jobs where execution_id = $1 returning fencing_token, claimed_by",
        )
        .bind(offered.1)
        .fetch_optional(&stage.pool)
        .await
        .unwrap();
        let held = match (claimed.first(), had.iter().position(|had| *had)) {
            (Some(_), _) => Some((1, "w".to_owned())),
            (None, Some(worker)) if status == "running" => Some((0, format!("w{worker}"))),
            _ => None,
        };
        assert_eq!(left, held);
    }
}

/// An offer says what a claim would have brought, unless that is too long for a notice.
#[sqlx::test(migrations = "../migrations")]
async fn an_offer_says_all_that_it_begins_with(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    for length in [0, 6_900, 7_100, 100_000] {
        let input = json!({"quoted": "\"\u{1}\\", "text": "ä".repeat(length / 2)});
        sqlx::query("select private.enqueue_execution(w, $1, null, null, 'manual') from public.workflows w where w.id = $2 and w.tenant_id = $3")
            .bind(&input)
            .bind(workflow(1))
            .bind(tenant(1))
            .execute(&stage.pool)
            .await
            .unwrap();
        let offer = told(&mut listener).await.expect("an offer");
        let (tenant_id, execution_id) = key(&offer);
        let is_told = length < 6_950;
        assert_eq!(
            offer,
            json!({
                "worker": "only", "tenant_id": tenant(1), "execution_id": execution_id, "workflow_id": workflow(1), "workflow_version": 1, "depth": 0,
                "input": if is_told { &input } else { &Value::Null },
            })
        );
        let stored: Value = sqlx::query_scalar("select queue.offered_input($1, $2)")
            .bind(tenant_id)
            .bind(execution_id)
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        assert_eq!(stored, input);
    }
}

/// One of those that have room is told, and rather none that was not heard of for a while.
#[sqlx::test(migrations = "../migrations")]
async fn an_offer_is_for_a_worker_that_has_room_and_lives(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    stage
        .run(
            "insert into queue.workers (worker, wants_notice, seen_at)
             values ('another', true, now()), ('busy', false, now()), ('silent', true, now() - interval '10 seconds');
             update queue.workers set seen_at = now() + interval '1 hour' where worker in ('only', 'another')",
        )
        .await;
    let mut told_to = BTreeMap::new();
    for _ in 0..60 {
        stage.enqueue(1, 1, 0, 1).await;
        let offer = told(&mut listener).await.expect("an offer");
        let worker = offer["worker"].as_str().unwrap().to_owned();
        *told_to.entry(worker).or_insert(0) += 1;
    }
    // That one of the two never has it is by chance once in 2^59 runs.
    let workers: Vec<_> = told_to.keys().collect();
    assert_eq!(workers, ["another", "only"], "{told_to:?}");

    // Nobody else has room, and it may only be slow.
    stage
        .run("update queue.workers set wants_notice = worker = 'silent'")
        .await;
    stage.enqueue(1, 1, 0, 1).await;
    let offer = told(&mut listener).await.expect("an offer");
    assert_eq!(offer["worker"], "silent");
    stage.run("delete from queue.workers").await;
    stage.enqueue(1, 1, 0, 1).await;
    assert_eq!(told(&mut listener).await, None, "whoever comes is woken");
}

/// What is tried again comes with steps, which an offer does not bring.
#[sqlx::test(migrations = "../migrations")]
async fn what_has_steps_is_neither_offered_nor_had_by_a_record(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    sqlx::query("select private.enqueue_execution(w, '{}', null, null, 'retry') from public.workflows w where w.id = $1 and w.tenant_id = $2")
        .bind(workflow(1))
        .bind(tenant(1))
        .execute(&stage.pool)
        .await
        .unwrap();
    assert_eq!(told(&mut listener).await, None);

    stage.enqueue(1, 1, 0, 1).await;
    let offered = offered(&mut listener).await;
    assert_eq!(
        record(&stage.pool, "w", &[offered], "running").await,
        [true]
    );
    // Its lease is over, and it is ready, with the token that it had.
    stage
        .run("update queue.jobs set state = 'ready', ready_in = pg_current_xact_id(), run_at = null, claimed_by = null where state = 'claimed'")
        .await;
    for worker in ["w", "another"] {
        assert_eq!(
            record(&stage.pool, worker, &[offered], "running").await,
            [false]
        );
    }
    assert_eq!(stage.claim("w", 5, &[]).await.len(), 2);
    assert_eq!(
        record(&stage.pool, "w", &[offered], "running").await,
        [false]
    );
}

/// Whoever may see what others run still does not learn where inputs are told.
#[sqlx::test(migrations = "../migrations")]
async fn the_channel_of_offers_is_told_to_nobody_else(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let listener = listen(&stage).await;
    let (channel, running): (String, Vec<String>) = sqlx::query_as(
        "select s.offers_channel, array(select a.query from pg_stat_activity a where a.datname = current_database())
           from queue.state s",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    assert!(channel.len() > 40, "{channel}");
    assert!(
        running
            .iter()
            .any(|query| query.contains("listen_to_offers")),
        "{running:?}"
    );
    assert!(
        !running.iter().any(|query| query.contains(&channel)),
        "{running:?}"
    );
    for role in ["anon", "authenticated", "aias_edge"] {
        for call in [
            "select offers_channel from queue.state",
            "select queue.offers_channel()",
            "select queue.listen_to_offers()",
        ] {
            let mut session = stage.pool.acquire().await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set role {role}")))
                .execute(&mut *session)
                .await
                .unwrap();
            let refused = sqlx::raw_sql(call)
                .execute(&mut *session)
                .await
                .unwrap_err();
            let code = refused.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {call}");
            sqlx::raw_sql("reset role")
                .execute(&mut *session)
                .await
                .unwrap();
        }
    }
    drop(listener);
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_cap_may_hold_back_is_not_offered_and_not_had(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 3).await;
    stage
        .run(
            "update public.workflows set max_concurrency = 1 where tenant_id::text like '%1' and id::text like '%2';
             update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}' where id::text like '%2'",
        )
        .await;
    let mut listener = listen(&stage).await;
    stage.enqueue(1, 1, 0, 1).await;
    let early = offered(&mut listener).await;
    stage.enqueue(1, 2, 0, 1).await;
    assert_eq!(told(&mut listener).await, None, "its workflow has a cap");
    stage.enqueue(2, 1, 0, 1).await;
    assert_eq!(told(&mut listener).await, None, "its tenant has one");

    // It was offered, and has a cap now; suspended, it begins nothing either.
    stage.enqueue(3, 1, 0, 1).await;
    let late = offered(&mut listener).await;
    stage
        .run(
            "update public.tenants set limit_overrides = '{\"concurrent_executions\": 1}' where id::text like '%3';
             update public.tenants set status = 'suspended' where id::text like '%1'",
        )
        .await;
    let both = [early, late];
    assert_eq!(
        record(&stage.pool, "w", &both, "succeeded").await,
        [false, false]
    );
    stage
        .run("update public.tenants set status = 'active' where id::text like '%1'")
        .await;
    assert_eq!(
        record(&stage.pool, "w", &both, "succeeded").await,
        [true, false]
    );
    // Said again without the other, and without one that nobody knows.
    let nobody = (tenant(1), Uuid::max());
    assert_eq!(
        record(&stage.pool, "w", &[nobody], "succeeded").await,
        [false]
    );
    assert_eq!(
        record(&stage.pool, "w", &[early], "succeeded").await,
        [true]
    );
    let ended: Vec<Uuid> =
        sqlx::query_scalar("select id from public.executions where status = 'succeeded'")
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    assert_eq!(ended, [early.1]);
}

/// A cap that is set later counts what was taken before, whoever claims.
#[sqlx::test(migrations = "../migrations")]
async fn a_cap_counts_what_was_taken(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut listener = listen(&stage).await;
    for _ in 0..2 {
        stage.enqueue(1, 1, 0, 1).await;
        let offered = offered(&mut listener).await;
        // The worker is known already the second time.
        assert_eq!(
            record(&stage.pool, "taker", &[offered], "running").await,
            [true]
        );
    }
    stage
        .run("update public.tenants set limit_overrides = '{\"concurrent_executions\": 3}'")
        .await;
    stage.enqueue(1, 1, 0, 5).await;
    assert_eq!(stage.claim("another", 8, &[]).await.len(), 1);
}

/// What was taken counts against the shares of those who wait for their turns.
#[sqlx::test(migrations = "../migrations")]
async fn a_take_is_a_turn(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 2).await;
    stage.enqueue(1, 1, 0, 100).await;
    stage.enqueue(2, 1, 0, 100).await;
    assert_eq!(
        stage.claim_by_tenant(10).await,
        BTreeMap::from([(1, 5), (2, 5)])
    );
    let ready: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select tenant_id, execution_id from queue.jobs where state = 'ready' and tenant_id = $1 limit 4",
    )
    .bind(tenant(1))
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    // Alone and among others, which are statements of their own.
    for batch in [&ready[..1], &ready[1..2], &ready[2..]] {
        let had = record(&stage.pool, "w", batch, "succeeded").await;
        assert!(had.iter().all(|had| *had), "{had:?}");
    }
    assert_eq!(
        by_tenant(&stage.claim("w", 8, &[]).await),
        BTreeMap::from([(1, 2), (2, 6)])
    );
}
