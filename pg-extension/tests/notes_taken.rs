//! Notes are gone when the transaction that took them commits. When it does not, they are where they were.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Executor, PgConnection};
use support::notes::{note, notes_lost, take_notes};
use support::{Database, OwnServer, sqlstate};

const NONE: [Value; 0] = [];

async fn with_notes(database: &Database, numbers: std::ops::Range<i32>) -> PgConnection {
    let mut connection = database.connect().await;
    for number in numbers {
        assert!(note(&mut connection, number).await);
    }
    connection
}

#[tokio::test]
async fn a_rollback_puts_notes_back_in_front_of_newer_ones() {
    let database = Database::create().await;
    let mut c = with_notes(&database, 0..20).await;
    c.execute("begin").await.unwrap();
    assert_eq!(take_notes(&mut c, 15).await.len(), 15);
    assert!(note(&mut c, 20).await);
    // Nobody else gets what somebody has taken.
    let mut other = database.connect().await;
    assert_eq!(take_notes(&mut other, 2).await, [15, 16]);
    c.execute("rollback").await.unwrap();

    let expected: Vec<Value> = (0..21)
        .filter(|number| ![15, 16].contains(number))
        .map(Value::from)
        .collect();
    assert_eq!(take_notes(&mut other, 1000).await, expected);
    assert_eq!(take_notes(&mut c, 1000).await, NONE);
    database.remove().await;
}

#[tokio::test]
async fn two_that_roll_back_leave_the_order_as_it_was() {
    let database = Database::create().await;
    for first_ends_first in [true, false] {
        let mut first = with_notes(&database, 0..6).await;
        let mut second = database.connect().await;
        first.execute("begin").await.unwrap();
        second.execute("begin").await.unwrap();
        assert_eq!(take_notes(&mut first, 2).await, [0, 1]);
        assert_eq!(take_notes(&mut second, 2).await, [2, 3]);
        if first_ends_first {
            first.execute("rollback").await.unwrap();
            second.execute("rollback").await.unwrap();
        } else {
            second.execute("rollback").await.unwrap();
            first.execute("rollback").await.unwrap();
        }
        assert_eq!(take_notes(&mut first, 1000).await, [0, 1, 2, 3, 4, 5]);
    }
    database.remove().await;
}

#[tokio::test]
async fn a_savepoint_puts_back_what_was_taken_after_it() {
    let database = Database::create().await;
    let mut c = with_notes(&database, 0..6).await;
    c.execute("begin").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [0]);
    c.execute("savepoint a").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [1]);
    c.execute("savepoint b").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [2]);
    c.execute("release savepoint b").await.unwrap();
    c.execute("savepoint c").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [3]);
    c.execute("rollback to savepoint c").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [3]);
    // With it what was taken in a savepoint that was released into this one.
    c.execute("rollback to savepoint a").await.unwrap();
    assert_eq!(take_notes(&mut c, 2).await, [1, 2]);
    c.execute("commit").await.unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, [3, 4, 5]);

    // A block with an exception handler is a savepoint too.
    let mut c = with_notes(&database, 0..3).await;
    c.execute(
        "do $$ begin
           begin perform aias.take_notes(2); raise exception 'not written down'; exception when others then null; end;
         end $$",
    )
    .await
    .unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, [0, 1, 2]);
    database.remove().await;
}

#[tokio::test]
async fn a_statement_that_fails_after_taking_puts_them_back() {
    let database = Database::create().await;
    let mut c = with_notes(&database, 0..30).await;
    let failed = c
        .execute("select 1 / (25 - note::integer) from aias.take_notes(28)")
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&failed), "22012");
    let expected: Vec<Value> = (0..30).map(Value::from).collect();
    assert_eq!(take_notes(&mut c, 1000).await, expected);
    // A transaction that commits afterwards has nothing to put back.
    c.execute("begin; rollback").await.unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, NONE);
    database.remove().await;
}

#[tokio::test]
async fn a_session_that_ends_in_a_transaction_puts_them_back() {
    let database = Database::create().await;
    let mut c = with_notes(&database, 0..3).await;
    let mut taker = database.connect().await;
    taker.execute("begin").await.unwrap();
    assert_eq!(take_notes(&mut taker, 1000).await, [0, 1, 2]);
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut taker)
        .await
        .unwrap();
    // Waits until it is gone.
    let terminated: bool = sqlx::query_scalar("select pg_terminate_backend($1, 30000)")
        .bind(pid)
        .fetch_one(&mut c)
        .await
        .unwrap();
    assert!(terminated);
    assert_eq!(take_notes(&mut c, 1000).await, [0, 1, 2]);
    database.remove().await;
}

#[tokio::test]
async fn a_transaction_that_has_taken_notes_is_not_prepared() {
    let server = OwnServer::start(&[
        "shared_preload_libraries=aias",
        "max_prepared_transactions=1",
    ])
    .await;
    let mut c = server.session().await;
    assert!(note(&mut c, 1).await);
    c.execute("begin").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [1]);
    let refused = c.execute("prepare transaction 'taken'").await.unwrap_err();
    assert_eq!(sqlstate(&refused), "0A000", "{refused}");
    assert_eq!(take_notes(&mut c, 1).await, [1]);
    // One that keeps notes is.
    c.execute("begin").await.unwrap();
    assert!(note(&mut c, 2).await);
    c.execute("prepare transaction 'kept'").await.unwrap();
    c.execute("rollback prepared 'kept'").await.unwrap();
    assert_eq!(take_notes(&mut c, 1).await, [2]);
}

/// While sessions write, and one takes and often changes its mind, every note that is kept is taken exactly once, each session's in the
/// order in which it wrote them.
#[tokio::test]
async fn every_note_of_many_sessions_is_taken_once() {
    const SESSIONS: usize = 16;
    // A call is so short that two meet only when there are very many; and there is room for all of them.
    const NOTES: usize = 6_000;
    const STATEMENTS: usize = 3;

    let server =
        OwnServer::start(&["shared_preload_libraries=aias", "aias.note_entries=100000"]).await;
    let mut writing = tokio::task::JoinSet::new();
    for session in 0..SESSIONS {
        let mut c = server.session().await;
        writing.spawn(async move {
            for part in 0..STATEMENTS {
                let (first, end) = (part * NOTES / STATEMENTS, (part + 1) * NOTES / STATEMENTS);
                let kept: i64 = sqlx::query_scalar(
                    "select count(*) filter (where aias.note(jsonb_build_array($1, n))) from generate_series($2, $3 - 1) n",
                )
                .bind(session as i32)
                .bind(first as i32)
                .bind(end as i32)
                .fetch_one(&mut c)
                .await
                .unwrap();
                assert_eq!(kept, (end - first) as i64);
            }
        });
    }
    let mut taker = server.session().await;
    taker
        .execute("set statement_timeout = '30 s'")
        .await
        .unwrap();
    let mut next = [0u64; SESSIONS];
    for round in 0.. {
        let is_last = writing.is_empty();
        taker.execute("begin").await.unwrap();
        let taken = take_notes(&mut taker, 100 + round % 7 * 500).await;
        if round % 3 == 0 && !is_last {
            taker.execute("rollback").await.unwrap();
        } else {
            taker.execute("commit").await.unwrap();
            for note in &taken {
                let session = note[0].as_u64().unwrap() as usize;
                assert_eq!(
                    note[1].as_u64(),
                    Some(next[session]),
                    "of session {session}"
                );
                next[session] += 1;
            }
        }
        if is_last && taken.is_empty() {
            break;
        }
        while let Some(done) = writing.try_join_next() {
            done.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(next, [NOTES as u64; SESSIONS]);
    assert_eq!(notes_lost(&mut taker).await, 0);
}
