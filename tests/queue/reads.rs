//! A worker's call reads what it is about and not all that there is, however few jobs there seemed to be when it was planned.
//!
//! Jobs come and go, and Postgres counts a table's rows now and then. To read all jobs is the cheapest plan while there seem to be none, and a plan lives
//! until the next count.

use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::stage::{Stage, enqueue_in, tenant, workflow};

const BATCH: u32 = 10;
/// Less than each execution of a batch with each.
const MOST: i64 = 100;
/// What else is there.
const BACKLOG: u32 = 3_000;
/// More than chance and what was read on the way, and far less than a backlog.
const MOST_MORE: i64 = 200;

#[sqlx::test(migrations = "../migrations")]
async fn no_call_reads_the_backlog(pool: PgPool) {
    let stage = Stage::with_tenants(pool, 1).await;
    let mut session = stage.pool.acquire().await.unwrap();
    for statement in [
        include_str!("../fixtures/record_many.sql"),
        "vacuum analyze queue.jobs, queue.lanes, queue.waits, public.executions, public.execution_steps",
    ] {
        sqlx::raw_sql(statement)
            .execute(&mut *session)
            .await
            .unwrap();
    }
    let alone = Worker::run(&mut session).await;
    enqueue_in(&mut session, 1, 2, 0, BACKLOG).await;
    let beside_a_backlog = Worker::run(&mut session).await;
    for ((call, few), (_, many)) in alone.into_iter().zip(beside_a_backlog) {
        assert!(
            few < MOST,
            "{call}: {few} rows were read for {BATCH} executions"
        );
        assert!(
            many < few + MOST_MORE,
            "{call}: {many} rows were read instead of {few}"
        );
    }
}

/// Makes all the calls that a worker makes about executions.
struct Worker<'a> {
    session: &'a mut PgConnection,
    /// How many rows each call read.
    reads: Vec<(&'static str, i64)>,
}

type Held = (Vec<Uuid>, Vec<i64>);

impl<'a> Worker<'a> {
    async fn run(session: &'a mut PgConnection) -> Vec<(&'static str, i64)> {
        let mut worker = Self {
            session,
            reads: Vec::new(),
        };
        let one = worker.offered(1).await;
        worker
            .record("ends what was offered", &one, "succeeded", None)
            .await;
        let several = worker.offered(BATCH).await;
        worker
            .record(
                "ends several that were offered",
                &several,
                "succeeded",
                None,
            )
            .await;
        let several = worker.offered(BATCH).await;
        worker
            .record("begins what was offered", &several, "running", Some("a"))
            .await;
        worker
            .record("goes on", &several, "running", Some("b"))
            .await;
        worker.renew(&several).await;
        worker
            .record("ends", &several, "succeeded", Some("c"))
            .await;

        worker.offered(BATCH).await;
        let claimed = worker.claim("claims").await;
        worker.renew(&claimed).await;
        worker
            .record("gives back until later", &claimed, "waiting", Some("a"))
            .await;
        let claimed = worker.claim("claims what is due").await;
        worker
            .record("ends what was due", &claimed, "succeeded", Some("b"))
            .await;
        worker.reads
    }

    async fn offered(&mut self, jobs: u32) -> Held {
        enqueue_in(self.session, 1, 1, 100, jobs).await;
        let executions = sqlx::query_scalar("select execution_id from queue.jobs where workflow_id = $1 and state = 'ready' order by execution_id")
            .bind(workflow(1))
            .fetch_all(&mut *self.session)
            .await
            .unwrap();
        (executions, vec![0; jobs as usize])
    }

    async fn record(&mut self, call: &'static str, held: &Held, outcome: &str, node: Option<&str>) {
        let before = self.rows_read().await;
        let written: i32 = sqlx::query_scalar("select pg_temp.record($1, $2, $3, $4)")
            .bind(&held.0)
            .bind(&held.1)
            .bind(outcome)
            .bind(node)
            .fetch_one(&mut *self.session)
            .await
            .unwrap();
        assert_eq!(written as usize, held.0.len());
        self.note(call, before).await;
    }

    async fn renew(&mut self, held: &Held) {
        let before = self.rows_read().await;
        let renewed = sqlx::query("select from queue.renew('w', array_fill($1::uuid, array[cardinality($2)]), $2, $3, '30 s')")
            .bind(tenant(1))
            .bind(&held.0)
            .bind(&held.1)
            .execute(&mut *self.session)
            .await
            .unwrap();
        assert_eq!(renewed.rows_affected() as usize, held.0.len());
        self.note("renews", before).await;
    }

    /// A batch, and what is due is at once behind it: it is of a higher priority than the backlog.
    async fn claim(&mut self, call: &'static str) -> Held {
        let before = self.rows_read().await;
        let claimed: Vec<(Uuid, i64)> = sqlx::query_as("select execution_id, fencing_token from queue.claim('w', $1, '30 s', '{}', '{}', '{}')")
            .bind(BATCH.cast_signed())
            .fetch_all(&mut *self.session)
            .await
            .unwrap();
        assert_eq!(claimed.len(), BATCH as usize);
        self.note(call, before).await;
        claimed.into_iter().unzip()
    }

    /// By this session so far. What it has not told yet is told first.
    async fn rows_read(&mut self) -> i64 {
        sqlx::raw_sql("select pg_stat_force_next_flush()")
            .execute(&mut *self.session)
            .await
            .unwrap();
        sqlx::query_scalar(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables where schemaname in ('queue', 'history')",
        )
        .fetch_one(&mut *self.session)
        .await
        .unwrap()
    }

    async fn note(&mut self, call: &'static str, before: i64) {
        let read = self.rows_read().await - before;
        self.reads.push((call, read));
    }
}
