//! Rate limits when the server crashes, restarts, reads only, or does not know the library. On servers of their own: a crash ends every
//! session of a server.

use std::time::Duration;

use sqlx::{Executor, PgConnection, Row};
use support::{OwnServer, send, sqlstate};
use tokio::task::JoinHandle;

const PRELOADED: &str = "shared_preload_libraries=aias";

/// Calls without a pause, until the session is lost.
const BUSY: &str =
    "do $$ begin loop perform aias.rate_limit('hot', 1000000000, '1 hour'); end loop; end $$";

async fn admits(connection: &mut PgConnection, key: &str, limit: i32) -> bool {
    sqlx::query_scalar("select aias.rate_limit($1, $2, '1 day')")
        .bind(key)
        .bind(limit)
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn pid(connection: &mut PgConnection) -> u32 {
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(connection)
        .await
        .unwrap();
    pid.unsigned_abs()
}

/// A session that is busy with calls: its process, and its end.
async fn busy(server: &OwnServer) -> (u32, JoinHandle<sqlx::Result<()>>) {
    let mut connection = server.session().await;
    let pid = pid(&mut connection).await;
    let running = tokio::spawn(async move { connection.execute(BUSY).await.map(drop) });
    (pid, running)
}

#[tokio::test]
async fn after_kill_9_the_server_comes_back_with_nothing_counted() {
    let server = OwnServer::start(&[PRELOADED]).await;
    for round in 0..4 {
        let mut c = server.session().await;
        assert!(admits(&mut c, "kept", 1).await, "round {round}");
        assert!(!admits(&mut c, "kept", 1).await, "round {round}");
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(busy(&server).await);
        }
        tokio::time::sleep(Duration::from_millis(50 + 37 * round)).await;
        send("-KILL", sessions[0].0);
        for (_, running) in sessions {
            let end = running.await.unwrap();
            assert!(end.is_err(), "all sessions of the server are ended");
        }
        // Limits are exact again.
        let mut c = server.session_after_crash().await;
        c.execute("set statement_timeout = '10 s'").await.unwrap();
        let mut admitted = 0;
        for _ in 0..10 {
            admitted += i32::from(admits(&mut c, &format!("round {round}"), 5).await);
        }
        assert_eq!(admitted, 5, "round {round}");
        assert!(admits(&mut c, "hot", 5).await, "round {round}");
        assert!(
            server.log().contains("was terminated by signal 9"),
            "{}",
            server.log()
        );
    }
}

#[tokio::test]
async fn a_holder_that_is_stopped_and_killed_holds_up_nobody_for_ever() {
    let server = OwnServer::start(&[PRELOADED]).await;
    let mut probe = server.session().await;
    probe
        .execute("set statement_timeout = '200 ms'")
        .await
        .unwrap();
    let (holder, running) = busy(&server).await;

    // Stopped at any moment until it is one at which the lock is held: then the same key cannot be counted.
    let mut tries = 0;
    loop {
        send("-STOP", holder);
        let probed = probe
            .execute("select aias.rate_limit('hot', 1000000000, '1 hour')")
            .await;
        match probed {
            Ok(_) => send("-CONT", holder),
            Err(error) => {
                // And whoever waits can be cancelled.
                assert_eq!(sqlstate(&error), "57014", "{error}");
                break;
            }
        }
        tries += 1;
        assert!(tries < 5_000, "the lock was never seen held");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Nobody else is concerned, except by a miracle of the hash.
    let elsewhere = probe
        .execute("select aias.rate_limit('other', 5, '1 hour')")
        .await;
    assert!(elsewhere.is_ok(), "{elsewhere:?}");

    // Nor does anybody wait for ever who has no timeout.
    let mut patient = server.session().await;
    let given_up = patient
        .execute("select aias.rate_limit('hot', 1000000000, '1 hour')")
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&given_up), "55P03", "{given_up}");

    let (_, waiting) = busy(&server).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    send("-KILL", holder);
    assert!(running.await.unwrap().is_err());
    assert!(
        waiting.await.unwrap().is_err(),
        "who waits is ended with all others"
    );
    let mut c = server.session_after_crash().await;
    c.execute("set statement_timeout = '10 s'").await.unwrap();
    assert!(admits(&mut c, "hot", 1).await);
    assert!(!admits(&mut c, "hot", 1).await);
}

#[tokio::test]
async fn a_cancelled_or_terminated_session_leaves_no_lock_behind() {
    let server = OwnServer::start(&[PRELOADED]).await;
    let mut c = server.session().await;
    c.execute("set statement_timeout = '10 s'").await.unwrap();
    for round in 0..60u64 {
        let (pid, running) = busy(&server).await;
        tokio::time::sleep(Duration::from_micros(500 + round * 131)).await;
        let end = match round % 2 {
            0 => "select pg_cancel_backend($1)",
            _ => "select pg_terminate_backend($1)",
        };
        sqlx::query(end)
            .bind(pid as i32)
            .execute(&mut c)
            .await
            .unwrap();
        // A cancellation that comes before the loop begins hits nothing.
        while !running.is_finished() {
            sqlx::query(end)
                .bind(pid as i32)
                .execute(&mut c)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(running.await.unwrap().is_err());
        c.execute("select aias.rate_limit('hot', 1000000000, '1 hour')")
            .await
            .unwrap();
    }
    assert!(!server.log().contains("terminated by signal"));
}

#[tokio::test]
async fn without_preloading_the_table_counts() {
    let mut server = OwnServer::start(&[]).await;
    let mut c = server.session().await;
    assert!(admits(&mut c, "k", 1).await);
    assert!(!admits(&mut c, "k", 1).await);
    let rows: i64 = c
        .fetch_one("select count(*) from aias.rate_limits")
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 1);
    let unknown = c
        .fetch_one("show aias.rate_limit_entries")
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&unknown), "42704");
    // The rows are still there when the library is preloaded, and do not matter.
    server.restart(&[PRELOADED], false).await;
    let mut c = server.session().await;
    assert!(admits(&mut c, "k", 1).await);
}

#[tokio::test]
async fn a_standby_counts_in_shared_memory() {
    let mut server = OwnServer::start(&[PRELOADED]).await;
    server.restart(&[PRELOADED], true).await;
    let mut c = server.session().await;
    let standby: bool = c
        .fetch_one("select pg_is_in_recovery()")
        .await
        .unwrap()
        .get(0);
    assert!(standby);
    assert!(admits(&mut c, "k", 1).await);
    assert!(!admits(&mut c, "k", 1).await);
    c.execute("set aias.rate_limits_in_table = on")
        .await
        .unwrap();
    let error = c
        .execute("select aias.rate_limit('k', 1, '1 day')")
        .await
        .unwrap_err();
    assert_eq!(sqlstate(&error), "25006");
    assert!(error.to_string().contains("during recovery"), "{error}");
}

#[tokio::test]
async fn memory_is_bounded_and_a_flood_of_keys_does_not_free_who_is_limited() {
    let server = OwnServer::start(&[PRELOADED, "aias.rate_limit_entries=100"]).await;
    let mut c = server.session().await;
    for number in 0..20 {
        for _ in 0..10 {
            assert!(admits(&mut c, &format!("full {number}"), 10).await);
        }
    }
    // A hundred times as many keys as there is room for, each with little to remember.
    let flood: i64 = c
        .fetch_one("select count(*) filter (where aias.rate_limit('flood ' || n, 10, '1 day')) from generate_series(1, 10000) n")
        .await
        .unwrap()
        .get(0);
    assert_eq!(flood, 10_000, "new keys are admitted");
    for number in 0..20 {
        assert!(!admits(&mut c, &format!("full {number}"), 10).await);
    }
}
