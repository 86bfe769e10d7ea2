//! Notes when the server crashes, restarts, reads only, or does not know the library.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Executor, PgConnection};
use support::notes::{note, notes_lost, take_notes};
use support::{OwnServer, send, sqlstate};
use tokio::task::JoinHandle;

const PRELOADED: &str = "shared_preload_libraries=aias";

/// A session that runs a statement for ever: its process, and its end.
async fn busy(server: &OwnServer, statement: &'static str) -> (u32, JoinHandle<sqlx::Result<()>>) {
    let mut connection = server.session().await;
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let running = tokio::spawn(async move { connection.execute(statement).await.map(drop) });
    (pid.unsigned_abs(), running)
}

/// Keeps and takes without a pause, and rolls back what it takes.
const BUSY: &str = "do $$ begin loop
    perform aias.note('\"busy\"');
    begin perform aias.take_notes(3); raise exception 'undone'; exception when others then null; end;
  end loop; end $$";

async fn is_preloaded_again(connection: &mut PgConnection) {
    connection
        .execute("set statement_timeout = '10 s'")
        .await
        .unwrap();
    assert!(note(connection, "new").await);
    assert_eq!(take_notes(connection, 1000).await, ["new"]);
    assert_eq!(notes_lost(connection).await, 0);
}

#[tokio::test]
async fn after_kill_9_the_server_comes_back_without_notes() {
    let server = OwnServer::start(&[PRELOADED, "aias.note_entries=50"]).await;
    for round in 0..4 {
        let mut c = server.session().await;
        c.execute("select aias.note(to_jsonb(n)) from generate_series(1, 60) n")
            .await
            .unwrap();
        assert_eq!(notes_lost(&mut c).await, 10, "round {round}");
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(busy(&server, BUSY).await);
        }
        tokio::time::sleep(Duration::from_millis(50 + 37 * round)).await;
        send("-KILL", sessions[0].0);
        for (_, running) in sessions {
            let end = running.await.unwrap();
            assert!(end.is_err(), "all sessions of the server are ended");
        }
        let mut c = server.session_after_crash().await;
        is_preloaded_again(&mut c).await;
    }
}

#[tokio::test]
async fn a_restart_forgets_them() {
    let mut server = OwnServer::start(&[PRELOADED]).await;
    assert!(note(&mut server.session().await, 1).await);
    server.restart(&[PRELOADED], false).await;
    is_preloaded_again(&mut server.session().await).await;
}

#[tokio::test]
async fn a_session_that_is_ended_leaves_no_lock_behind() {
    let server = OwnServer::start(&[PRELOADED, "aias.note_entries=50"]).await;
    let mut c = server.session().await;
    c.execute("set statement_timeout = '10 s'").await.unwrap();
    for round in 0..40u64 {
        let (pid, running) = busy(&server, BUSY).await;
        tokio::time::sleep(Duration::from_micros(500 + round * 131)).await;
        // The session's own handlers catch a cancellation.
        sqlx::query("select pg_terminate_backend($1)")
            .bind(pid as i32)
            .execute(&mut c)
            .await
            .unwrap();
        assert!(running.await.unwrap().is_err());
        assert!(note(&mut c, 1).await);
    }
    assert!(!server.log().contains("terminated by signal"));
}

#[tokio::test]
async fn a_holder_that_is_stopped_holds_up_nobody_for_ever() {
    let server = OwnServer::start(&[PRELOADED, "aias.note_entries=50"]).await;
    let mut probe = server.session().await;
    probe
        .execute("set statement_timeout = '200 ms'")
        .await
        .unwrap();
    let (holder, running) = busy(&server, BUSY).await;
    // Stopped at any moment until it is one at which the lock is held.
    let mut tries = 0;
    loop {
        send("-STOP", holder);
        match probe.execute("select aias.note('1')").await {
            Ok(_) => send("-CONT", holder),
            Err(error) => {
                // Whoever waits can be cancelled.
                assert_eq!(sqlstate(&error), "57014", "{error}");
                break;
            }
        }
        tries += 1;
        assert!(tries < 20_000, "the lock was never seen held");
    }
    let mut patient = server.session().await;
    let given_up = patient.execute("select aias.note('1')").await.unwrap_err();
    assert_eq!(sqlstate(&given_up), "55P03", "{given_up}");
    // A rollback has nothing to wait for, whoever is stopped.
    patient.execute("begin; rollback").await.unwrap();

    send("-KILL", holder);
    assert!(running.await.unwrap().is_err());
    is_preloaded_again(&mut server.session_after_crash().await).await;
}

#[tokio::test]
async fn without_preloading_they_go_to_the_log() {
    let mut server = OwnServer::start(&["log_min_messages=error"]).await;
    let mut c = server.session().await;
    let kept: bool = sqlx::query_scalar(
        "select aias.note(jsonb_build_object('event', E'two\\nlines', 'percent', '%s')) /* a secret */",
    )
    .fetch_one(&mut c)
    .await
    .unwrap();
    assert!(!kept);
    // In a function, which says where it was in the log; and undone.
    c.execute("begin").await.unwrap();
    c.execute("do $$ begin perform aias.note('\"of a function\"'); end $$")
        .await
        .unwrap();
    c.execute("rollback").await.unwrap();
    let log = server.log();
    assert!(
        log.contains(r#"aias.note: {"event": "two\nlines", "percent": "%s"}"#),
        "{log}"
    );
    assert!(log.contains(r#"aias.note: "of a function""#), "{log}");
    assert!(
        !log.contains("a secret") && !log.contains("CONTEXT"),
        "{log}"
    );

    // The rest answers as if nobody had ever kept one.
    assert_eq!(take_notes(&mut c, 1000).await, [] as [Value; 0]);
    assert_eq!(notes_lost(&mut c).await, 0);
    let too_long = c
        .execute("select aias.note(to_jsonb(repeat('x', 2000)))")
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&too_long), "22023");
    let unknown = c.execute("show aias.note_entries").await.unwrap_err();
    assert_eq!(sqlstate(&unknown), "42704");

    server.restart(&[PRELOADED], false).await;
    is_preloaded_again(&mut server.session().await).await;
}

#[tokio::test]
async fn a_standby_keeps_and_takes() {
    let mut server = OwnServer::start(&[PRELOADED]).await;
    server.restart(&[PRELOADED], true).await;
    let mut c = server.session().await;
    let is_standby: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(&mut c)
        .await
        .unwrap();
    assert!(is_standby);
    c.execute("begin").await.unwrap();
    assert!(note(&mut c, json!({"n": 1})).await);
    assert_eq!(take_notes(&mut c, 1000).await, [json!({"n": 1})]);
    c.execute("rollback").await.unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, [json!({"n": 1})]);
}
