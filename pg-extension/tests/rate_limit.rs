//! Rate limits: one algorithm, two stores that give the same answers.
//!
//! The server preloads the library, so that shared memory is at hand; `aias.rate_limits_in_table` turns a session to the other store.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use sqlx::{Executor, PgConnection};
use support::{Database, refusal, sqlstate};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    SharedMemory,
    Table,
}

const BOTH: [Store; 2] = [Store::SharedMemory, Store::Table];

async fn session(database: &Database, store: Store) -> PgConnection {
    let mut connection = database.connect().await;
    let (preloaded,): (bool,) =
        sqlx::query_as("select current_setting('shared_preload_libraries') ~ '\\maias\\M'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(preloaded, "the server of these tests preloads the library");
    if store == Store::Table {
        connection
            .execute("set aias.rate_limits_in_table = on")
            .await
            .unwrap();
    }
    connection
}

async fn rows(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from aias.rate_limits")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// An expression's value.
async fn value<T>(connection: &mut PgConnection, expression: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select {expression}")))
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn error(connection: &mut PgConnection, expression: &str) -> sqlx::Error {
    let statement = format!("select {expression}");
    connection
        .execute(sqlx::AssertSqlSafe(statement.as_str()))
        .await
        .unwrap_err()
}

/// A limit at noon of a fixed day, so many seconds later.
fn at(key: &str, limit: &str, seconds: f64) -> String {
    format!(
        "aias.rate_limit('{key}', {limit}, at => timestamptz '2026-01-01 12:00+00' + interval '{seconds} s')"
    )
}

// The same answers ----------------------------------------------------------------------------------------------------------------

/// What a call is drawn from. Each window of a key has a limit of its own.
#[derive(Clone, Debug)]
struct Step {
    bucket: usize,
    cost: i64,
    /// Microseconds since the call before.
    later: i64,
}

/// Limit and window in microseconds: with and without a remainder, of one, and so fast that a step is a few nanoseconds over one
/// microsecond. The first four share two keys.
const BUCKETS: [(&str, i64, i64); 6] = [
    ("a", 5, 60_000_000),
    ("a", 7, 3_600_000_000),
    ("b", 1, 1_000_000),
    ("b", 60, 60_000_000),
    ("c", 7, 1_000_003),
    ("d", 900, 999),
];

fn a_step() -> impl Strategy<Value = Step> {
    let later = prop_oneof![
        3 => Just(0i64),
        3 => 0..2_000i64,
        3 => 0..15_000_000i64,
        1 => 0..4_000_000_000i64,
    ];
    (0..BUCKETS.len(), 1..=8i64, later).prop_map(|(bucket, cost, later)| Step {
        bucket,
        cost: cost.min(BUCKETS[bucket].1),
        later,
    })
}

/// The oracle. Not one number, as in the extension: every request that was admitted stands in line and leaves a step after the one
/// before it, and who would make the line longer than the limit is sent away.
#[derive(Default)]
struct Model {
    lines: HashMap<usize, VecDeque<i64>>,
}

impl Model {
    /// Whether it is admitted, and how many more would be. Nanoseconds.
    fn call(&mut self, bucket: usize, cost: i64, now: i64) -> (bool, i64) {
        let (_, limit, window) = BUCKETS[bucket];
        let step = window * 1000 / limit;
        let line = self.lines.entry(bucket).or_default();
        while line.front().is_some_and(|leaves| *leaves <= now) {
            line.pop_front();
        }
        let admitted = line.len() as i64 + cost <= limit;
        if admitted {
            for _ in 0..cost {
                let begins = line.back().copied().unwrap_or(now);
                line.push_back(begins + step);
            }
        }
        (admitted, limit - line.len() as i64)
    }
}

#[test]
fn both_stores_answer_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::create());
    let sessions =
        RefCell::new(BOTH.map(|store| (store, runtime.block_on(session(&database, store)))));
    let (case, refused) = (Cell::new(0), Cell::new(0));

    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&prop::collection::vec(a_step(), 1..60), |steps| {
        // Keys of its own, also when it is run again to be made smaller.
        case.set(case.get() + 1);
        let mut model = Model::default();
        let mut now = 0;
        for (number, step) in steps.iter().enumerate() {
            now += step.later;
            let (key, limit, window) = BUCKETS[step.bucket];
            let wanted = model.call(step.bucket, step.cost, now * 1000);
            for (store, connection) in sessions.borrow_mut().iter_mut() {
                let answer: (bool, i64) = runtime
                    .block_on(
                        sqlx::query_as(
                            "with asked as materialized (
                               select $1 as key, $2::integer as requests, $3 * interval '1 microsecond' as per,
                                      timestamptz '2026-01-01 00:00+00' + $5 * interval '1 microsecond' as at
                             ),
                             called as materialized (
                               select a.*, aias.rate_limit(a.key, a.requests, a.per, $4::integer, a.at) as admitted from asked a
                             )
                             select c.admitted, aias.rate_limit_remaining(c.key, c.requests, c.per, c.at) from called c",
                        )
                        .bind(format!("{} {key}", case.get()))
                        .bind(limit)
                        .bind(window)
                        .bind(step.cost)
                        .bind(now)
                        .fetch_one(connection),
                    )
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(answer, wanted, "{:?}, call {}: {:?}", store, number, step);
            }
            refused.set(refused.get() + usize::from(!wanted.0));
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let refused = refused.get();
    assert!(refused > 100, "limits were reached only {refused} times");
    let in_table = runtime.block_on(rows(&mut sessions.borrow_mut()[0].1));
    assert!(in_table > 60, "the table was used: {in_table} rows");
    runtime.block_on(database.remove());
}

#[tokio::test]
async fn each_store_keeps_its_own_count() {
    let database = Database::create().await;
    let mut shared = session(&database, Store::SharedMemory).await;
    for _ in 0..3 {
        assert!(value::<bool>(&mut shared, &at("k", "3, '1 min'", 0.0)).await);
    }
    assert!(!value::<bool>(&mut shared, &at("k", "3, '1 min'", 0.0)).await);
    assert_eq!(rows(&mut shared).await, 0, "shared memory leaves no row");

    let mut table = session(&database, Store::Table).await;
    assert!(value::<bool>(&mut table, &at("k", "3, '1 min'", 0.0)).await);
    assert_eq!(rows(&mut table).await, 1);
    database.remove().await;
}

// What a bucket is ----------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_burst_of_the_limit_and_then_one_at_a_time() {
    let database = Database::create().await;
    for store in BOTH {
        let mut c = session(&database, store).await;
        let (mut admitted, mut remaining) = (Vec::new(), Vec::new());
        for seconds in [0.0, 0.0, 0.0, 0.0, 19.999, 20.0, 20.0, 100.0] {
            admitted.push(value::<bool>(&mut c, &at("k", "3, '1 min'", seconds)).await);
            let left =
                at("k", "3, '1 min'", seconds).replace("rate_limit(", "rate_limit_remaining(");
            remaining.push(value::<i64>(&mut c, &left).await);
        }
        assert_eq!(
            admitted,
            [true, true, true, false, false, true, false, true],
            "{store:?}"
        );
        assert_eq!(remaining, [2, 1, 0, 0, 0, 0, 0, 2], "{store:?}");
    }
    database.remove().await;
}

#[tokio::test]
async fn each_window_of_a_key_is_a_bucket_and_a_limit_may_change() {
    let database = Database::create().await;
    for store in BOTH {
        let mut c = session(&database, store).await;
        for _ in 0..2 {
            assert!(value::<bool>(&mut c, &at("k", "2, '1 s'", 0.0)).await);
        }
        assert!(!value::<bool>(&mut c, &at("k", "2, '1 s'", 0.0)).await);
        // What a second counts is not in the day's way, and the other way round.
        for _ in 0..4 {
            assert!(value::<bool>(&mut c, &at("k", "4, '1 day'", 0.0)).await);
        }
        assert!(!value::<bool>(&mut c, &at("k", "4, '1 day'", 0.0)).await);
        assert!(value::<bool>(&mut c, &at("k", "2, '1 s'", 0.5)).await);

        // A bucket that is full stays full when the limit changes: a larger plan is felt as it leaks, at its own pace.
        assert!(!value::<bool>(&mut c, &at("k", "86400, '1 day'", 0.0)).await);
        assert!(value::<bool>(&mut c, &at("k", "86400, '1 day'", 1.0)).await);
        assert!(!value::<bool>(&mut c, &at("k", "1, '1 day'", 1.0)).await);
    }
    database.remove().await;
}

#[tokio::test]
async fn a_clock_that_goes_back_costs_a_window_and_not_more() {
    let database = Database::create().await;
    for store in BOTH {
        let mut c = session(&database, store).await;
        for _ in 0..3 {
            assert!(value::<bool>(&mut c, &at("k", "3, '1 min'", 86_400.0)).await);
        }
        // A day earlier, it is full; and from then on it leaks.
        assert!(!value::<bool>(&mut c, &at("k", "3, '1 min'", 0.0)).await);
        assert!(!value::<bool>(&mut c, &at("k", "3, '1 min'", 19.0)).await);
        assert!(value::<bool>(&mut c, &at("k", "3, '1 min'", 20.0)).await);
        for _ in 0..3 {
            assert!(value::<bool>(&mut c, &at("k", "3, '1 min'", 81.0)).await);
        }
    }
    database.remove().await;
}

#[tokio::test]
async fn a_key_belongs_to_its_database() {
    let (one, other) = (Database::create().await, Database::create().await);
    for store in BOTH {
        let (mut here, mut there) = (session(&one, store).await, session(&other, store).await);
        assert!(value::<bool>(&mut here, &at("k", "1, '1 min'", 0.0)).await);
        assert!(!value::<bool>(&mut here, &at("k", "1, '1 min'", 0.0)).await);
        assert!(value::<bool>(&mut there, &at("k", "1, '1 min'", 0.0)).await);
    }
    one.remove().await;
    other.remove().await;
}

#[tokio::test]
async fn many_sessions_admit_exactly_the_limit() {
    let database = Database::create().await;
    // In shared memory a call is so short that two meet only when there are very many.
    for (store, limit, statements, calls) in [
        (Store::SharedMemory, 200_000, 2, 10_000),
        (Store::Table, 700, 10, 10),
    ] {
        let mut running = tokio::task::JoinSet::new();
        for number in 0..16 {
            let mut c = session(&database, store).await;
            running.spawn(async move {
                let mut admitted = 0;
                for _ in 0..statements {
                    // Some sessions hold what they counted for longer than others.
                    let calls = calls / if number % 2 == 0 { 1 } else { 2 };
                    let call = at("hot", &format!("{limit}, '1 day'"), 0.0);
                    let query =
                        format!("count(*) filter (where {call}) from generate_series(1, {calls})");
                    admitted += value::<i64>(&mut c, &query).await;
                }
                admitted
            });
        }
        let mut admitted = 0;
        while let Some(of_session) = running.join_next().await {
            admitted += of_session.unwrap();
        }
        assert_eq!(admitted, limit, "{store:?}");
    }
    database.remove().await;
}

// Transactions --------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_rollback_gives_back_to_the_table_and_not_to_shared_memory() {
    let database = Database::create().await;
    for (store, left) in [(Store::SharedMemory, 1), (Store::Table, 3)] {
        let mut c = session(&database, store).await;
        c.execute("begin").await.unwrap();
        assert!(value::<bool>(&mut c, &at("k", "3, '1 min'", 0.0)).await);
        c.execute("savepoint before").await.unwrap();
        assert!(value::<bool>(&mut c, &at("k", "3, '1 min'", 0.0)).await);
        c.execute("rollback to savepoint before").await.unwrap();
        c.execute("rollback").await.unwrap();
        let remaining = at("k", "3, '1 min'", 0.0).replace("rate_limit(", "rate_limit_remaining(");
        assert_eq!(value::<i64>(&mut c, &remaining).await, left, "{store:?}");
    }
    database.remove().await;
}

#[tokio::test]
async fn a_transaction_that_reads_only_counts_in_shared_memory_alone() {
    let database = Database::create().await;
    let mut shared = session(&database, Store::SharedMemory).await;
    shared.execute("begin read only").await.unwrap();
    assert!(value::<bool>(&mut shared, &at("k", "1, '1 min'", 0.0)).await);
    shared.execute("commit").await.unwrap();
    assert!(!value::<bool>(&mut shared, &at("k", "1, '1 min'", 0.0)).await);

    let mut table = session(&database, Store::Table).await;
    table.execute("begin read only").await.unwrap();
    let refused = error(&mut table, &at("k", "1, '1 min'", 0.0)).await;
    assert_eq!(sqlstate(&refused), "25006", "{refused}");
    database.remove().await;
}

#[tokio::test]
async fn a_sweep_removes_what_says_nothing_and_nothing_else() {
    let database = Database::create().await;
    let mut c = session(&database, Store::Table).await;
    let calls = "count(aias.rate_limit('k' || n, 10, '1 min', at => clock_timestamp() - interval '1 hour'))
                   + count(aias.rate_limit('live' || n, 10, '1 day')) from generate_series(1, 25) n";
    assert_eq!(value::<i64>(&mut c, calls).await, 50);
    assert_eq!(value::<i64>(&mut c, "aias.rate_limit_sweep(10)").await, 10);
    assert_eq!(value::<i64>(&mut c, "aias.rate_limit_sweep()").await, 15);
    assert_eq!(value::<i64>(&mut c, "aias.rate_limit_sweep()").await, 0);
    assert_eq!(rows(&mut c).await, 25);
    assert_eq!(
        value::<i64>(&mut c, "aias.rate_limit_remaining('live1', 10, '1 day')").await,
        9
    );
    database.remove().await;
}

// Refusals, mistakes, rights ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_refusal_is_what_postgrest_answers_429_with() {
    let database = Database::create().await;
    for store in BOTH {
        let mut c = session(&database, store).await;
        let call = |meter: &str, cost| {
            format!(
                "aias.rate_limit_or_refuse('k', 5, '1 min', {cost}, {meter}, timestamptz '2026-01-01 12:00:00.5+00')::text"
            )
        };
        for _ in 0..2 {
            value::<String>(&mut c, &call("null", 2)).await;
        }
        let error = error(&mut c, &call("'requests_per_minute'", 3)).await;
        let refused = refusal(&error).expect("it is refused");
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (429, "rate_limited")
        );
        // Four of five are used, twelve seconds each; for three, two of them must have leaked, and after 48 s all have.
        assert_eq!(
            refused.details(),
            json!({"meter": "requests_per_minute", "limit": 5, "used": 4, "requested": 3, "resets_at": "2026-01-01T12:00:48.500000Z"})
        );
        assert_eq!(refused.headers["Retry-After"], "24");
        assert_eq!(refused.headers["X-Quota-Limit"], "5");
        assert_eq!(refused.headers["X-Quota-Remaining"], "1");
        // Rounded up: a client that waits for it must not come early.
        let reset: i64 = refused.headers["X-Quota-Reset"].parse().unwrap();
        let expected: i64 = value(
            &mut c,
            "extract(epoch from timestamptz '2026-01-01 12:00:49+00')::bigint",
        )
        .await;
        assert_eq!(reset, expected);
        assert!(refused.message.contains("24 s"), "{}", refused.message);
        assert!(refused.hint.is_some());

        // A limit of nothing is a plan, too.
        let error = self::error(&mut c, "aias.rate_limit_or_refuse('none', 0, '1 min')").await;
        let refused = refusal(&error).expect("it is refused");
        assert_eq!(refused.details()["meter"], "none");
        assert_eq!(refused.headers["Retry-After"], "60");
        assert_eq!(refused.headers["X-Quota-Remaining"], "0");
        assert!(!value::<bool>(&mut c, "aias.rate_limit('none', 0, '1 min')").await);
    }
    database.remove().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_22023_and_counts_nothing() {
    let database = Database::create().await;
    for store in BOTH {
        let mut c = session(&database, store).await;
        for (arguments, sentence) in [
            ("'k', 5, '1 min', 6", "never admits a cost of 6"),
            ("'k', 5, '1 min', 0", "a cost is from 1 to the limit"),
            ("'k', 5, '1 min', -1", "a cost is from 1 to the limit"),
            ("'k', 0, '1 min', 2", "a cost is from 1 to the limit"),
            ("'k', -1, '1 min'", "not negative"),
            ("'k', 5, '0 s'", "in a window of at most 366 days"),
            ("'k', 5, '-1 min'", "in a window of at most 366 days"),
            ("'k', 5, '367 days'", "in a window of at most 366 days"),
            (
                "'k', 5, '4 microseconds'",
                "no more than one each microsecond",
            ),
            ("'', 5, '1 min'", "a key has 1 to 500 bytes, not 0"),
            ("repeat('x', 501), 5, '1 min'", "not 501"),
            ("null, 5, '1 min'", "key must not be null"),
            (
                "'k', null, '1 min'",
                "the number of requests must not be null",
            ),
            ("'k', 5, null", "the window must not be null"),
            ("'k', 5, '1 min', null", "the cost must not be null"),
            (
                "'k', 5, '1 min', at => null",
                "the instant must not be null",
            ),
            ("'k', 5, '1 min', at => 'infinity'", "from 1750 to 2250"),
        ] {
            let error = error(&mut c, &format!("aias.rate_limit({arguments})")).await;
            assert_eq!(sqlstate(&error), "22023", "{arguments}: {error}");
            assert!(error.to_string().contains(sentence), "{arguments}: {error}");
        }
        let untouched = "aias.rate_limit_remaining('k', 5, '1 min')";
        assert_eq!(value::<i64>(&mut c, untouched).await, 5);
        // The longest that are allowed.
        assert!(value::<bool>(&mut c, "aias.rate_limit(repeat('x', 500), 5, '366 days')").await);
    }
    database.remove().await;
}

#[tokio::test]
async fn nobody_may_call_them_who_was_not_allowed_to() {
    let database = Database::create().await;
    let mut c = session(&database, Store::Table).await;
    // A role that every server has, and that is nobody special here.
    c.execute("grant usage on schema aias to pg_monitor; set role pg_monitor")
        .await
        .unwrap();
    for call in [
        "aias.rate_limit('k', 5, '1 min')",
        "aias.rate_limit_or_refuse('k', 5, '1 min')",
        "aias.rate_limit_remaining('k', 5, '1 min')",
        "aias.rate_limit_sweep()",
        "count(*) from aias.rate_limits",
    ] {
        assert_eq!(sqlstate(&error(&mut c, call).await), "42501", "{call}");
    }
    assert_eq!(
        sqlstate(
            &c.execute("set aias.rate_limits_in_table = off")
                .await
                .unwrap_err()
        ),
        "42501"
    );
    // Who may call the function needs no right on the table.
    c.execute(
        "reset role; grant execute on function aias.rate_limit to pg_monitor; set role pg_monitor",
    )
    .await
    .unwrap();
    assert!(value::<bool>(&mut c, "aias.rate_limit('k', 1, '1 min')").await);
    assert!(!value::<bool>(&mut c, "aias.rate_limit('k', 1, '1 min')").await);
    database.remove().await;
}
