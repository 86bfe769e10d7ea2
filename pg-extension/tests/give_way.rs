//! A session that gives way: how the system runs it, and that nothing of what it answers changes.
#![cfg(target_os = "linux")]

use std::time::Duration;

use sqlx::{Executor, PgConnection, query_scalar};
use support::{Database, sqlstate};

const NAP: Duration = Duration::from_millis(200);
/// Of a thousand that a nap has.
const SLICES: u64 = 100;

async fn giving_way(database: &Database) -> (PgConnection, i32) {
    let mut session = database.connect().await;
    for _ in 0..2 {
        // What it says is not looked at: the system takes niceness for a group of one session at a time, of all that ask.
        session.execute("select aias.give_way()").await.unwrap();
    }
    let process = process(&mut session).await;
    (session, process)
}

async fn process(session: &mut PgConnection) -> i32 {
    query_scalar("select pg_backend_pid()")
        .fetch_one(session)
        .await
        .unwrap()
}

/// A line of `/proc/<process>/status`.
fn status(process: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap()
        .trim_start_matches(':')
        .trim()
        .parse()
        .unwrap()
}

/// How often it went to sleep meanwhile: once, if nothing woke it.
async fn sleeps(process: i32, during: impl Future) -> u64 {
    let before = status(process, "voluntary_ctxt_switches");
    during.await;
    status(process, "voluntary_ctxt_switches") - before
}

async fn nap(session: &mut PgConnection) {
    let nap = sqlx::query("select pg_sleep($1)").bind(NAP.as_secs_f64());
    nap.execute(session).await.unwrap();
}

#[tokio::test]
async fn it_is_nice() {
    let database = Database::create().await;
    let (_session, process) = giving_way(&database).await;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which is in parentheses: field 19 of proc_pid_stat(5), counted from 3.
    let after_name = stat.rsplit_once(')').unwrap().1;
    assert_eq!(after_name.split_whitespace().nth(19 - 3), Some("5"));
    database.remove().await;
}

#[tokio::test]
async fn its_statements_run_in_slices() {
    let database = Database::create().await;
    let (mut session, of_session) = giving_way(&database).await;
    let mut other = database.connect().await;
    let of_other = process(&mut other).await;

    assert!(sleeps(of_session, nap(&mut session)).await > SLICES);
    assert!(sleeps(of_other, nap(&mut other)).await < SLICES);
    // Between two statements there is nothing to interrupt.
    assert!(sleeps(of_session, tokio::time::sleep(NAP)).await < SLICES);
    database.remove().await;
}

#[tokio::test]
async fn errors_are_what_they_were_and_end_the_slices() {
    let database = Database::create().await;
    let (mut session, process) = giving_way(&database).await;
    let failing = [
        (
            "do $$ begin raise exception 'no' using errcode = 'PGRST'; end $$",
            "PGRST",
        ),
        ("select 1 / (random() * 0)::int", "22012"),
        (
            "set statement_timeout = '50ms'; select pg_sleep(5)",
            "57014",
        ),
    ];
    for (statement, code) in failing {
        let error = session.execute(statement).await.unwrap_err();
        assert_eq!(sqlstate(&error), code, "{statement}");
        assert!(
            sleeps(process, tokio::time::sleep(NAP)).await < SLICES,
            "{statement}"
        );
    }

    // As does a part of a transaction that fails, whose rest goes on in slices.
    let caught = session.execute(
        "do $$ begin begin perform 1 / 0; exception when division_by_zero then null; end; perform pg_sleep(0.2); end $$",
    );
    assert!(sleeps(process, caught).await > SLICES);
    database.remove().await;
}

#[tokio::test]
async fn what_it_computes_does_not_change() {
    const WORK: &str = "select md5(string_agg(md5(n::text), ',' order by md5(n::text))) from generate_series(1, 300000) n";
    let database = Database::create().await;
    let (mut session, _) = giving_way(&database).await;
    let mut other = database.connect().await;
    let expected: String = query_scalar(WORK).fetch_one(&mut other).await.unwrap();
    for _ in 0..3 {
        let computed: String = query_scalar(WORK).fetch_one(&mut session).await.unwrap();
        assert_eq!(computed, expected);
    }
    database.remove().await;
}
