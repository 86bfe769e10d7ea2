//! Who waits for whom, who does not, and what a refusal is decided on.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use support::load::{How, Load, TABLES};
use support::{Database, assert_slots_add_up, give, refusal, set, sqlstate, status, take};
use tokio::time::timeout;
use uuid::Uuid;

const METER: &str = "executions";
/// Longer than anything here takes, and shorter than a person waits.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to see that somebody waits.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_transaction_that_stays_open_keeps_nobody_waiting_while_there_is_enough() {
    let (database, tenant, mut sessions) = sessions(4, Some(100)).await;
    sessions[0].execute("begin").await.unwrap();
    take(&mut sessions[0], tenant, METER, 10).await.unwrap();
    for session in &mut sessions[1..] {
        for _ in 0..10 {
            timeout(SOON, take(session, tenant, METER, 1))
                .await
                .unwrap()
                .unwrap();
        }
    }
    sessions[0].execute("commit").await.unwrap();
    assert_eq!(status(&mut sessions[0], tenant, METER).await.used, 40);
    database.remove().await;
}

#[tokio::test]
async fn a_refusal_waits_for_those_who_hold_the_rest_and_is_right_either_way() {
    for commit in [true, false] {
        let (database, tenant, mut sessions) = sessions(2, Some(10)).await;
        let mut other = sessions.pop().unwrap();
        let mut holder = sessions.pop().unwrap();
        holder.execute("begin").await.unwrap();
        take(&mut holder, tenant, METER, 10).await.unwrap();

        let waiting = tokio::spawn(async move {
            let result = take(&mut other, tenant, METER, 4).await;
            (result, other)
        });
        tokio::time::sleep(A_WHILE).await;
        assert!(!waiting.is_finished(), "it can still come back");
        holder
            .execute(if commit { "commit" } else { "rollback" })
            .await
            .unwrap();
        let (result, mut other) = timeout(SOON, waiting).await.unwrap().unwrap();
        if commit {
            let error = result.unwrap_err();
            assert_eq!(refusal(&error).unwrap().details()["used"], 10);
            // Nothing that can come back is held any more, so the next refusal is at once.
            assert!(
                timeout(A_WHILE, take(&mut other, tenant, METER, 1))
                    .await
                    .unwrap()
                    .is_err()
            );
        } else {
            result.unwrap();
            assert_eq!(status(&mut other, tenant, METER).await.used, 4);
        }
        database.remove().await;
    }
}

#[tokio::test]
async fn two_that_hold_what_the_other_wants_do_not_wait_in_a_circle() {
    let (database, tenant, mut sessions) = sessions(2, Some(10)).await;
    let (mut young, mut old) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    for session in [&mut old, &mut young] {
        session.execute("begin").await.unwrap();
        take(session, tenant, METER, 5).await.unwrap();
    }
    let waiting = tokio::spawn(async move {
        let result = take(&mut old, tenant, METER, 1).await;
        (result, old)
    });
    tokio::time::sleep(A_WHILE).await;
    // Together they want 12 of 10: one of them has to be refused. It is the one that came second.
    let error = timeout(SOON, take(&mut young, tenant, METER, 1))
        .await
        .unwrap()
        .unwrap_err();
    assert!(refusal(&error).is_some(), "{error}");
    assert!(!waiting.is_finished());
    young.execute("rollback").await.unwrap();
    let (result, mut old) = timeout(SOON, waiting).await.unwrap().unwrap();
    result.unwrap();
    old.execute("commit").await.unwrap();
    assert_eq!(status(&mut old, tenant, METER).await.used, 6);
    database.remove().await;
}

#[tokio::test]
async fn two_that_take_two_meters_crosswise_do_not_wait_in_a_circle() {
    let (database, tenant, mut sessions) = sessions(2, Some(1)).await;
    set(&mut sessions[0], tenant, "llm_tokens", "flow", Some(1)).await;
    let (mut young, mut old) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    old.execute("begin").await.unwrap();
    take(&mut old, tenant, METER, 1).await.unwrap();
    young.execute("begin").await.unwrap();
    take(&mut young, tenant, "llm_tokens", 1).await.unwrap();

    let waiting = tokio::spawn(async move {
        let result = take(&mut old, tenant, "llm_tokens", 1).await;
        (result, old)
    });
    tokio::time::sleep(A_WHILE).await;
    let error = timeout(SOON, take(&mut young, tenant, METER, 1))
        .await
        .unwrap()
        .unwrap_err();
    assert!(refusal(&error).is_some(), "{error}");
    young.execute("rollback").await.unwrap();
    let (result, _) = timeout(SOON, waiting).await.unwrap().unwrap();
    result.unwrap();
    database.remove().await;
}

#[tokio::test]
async fn a_change_of_plan_lets_those_finish_who_have_begun() {
    let (database, tenant, mut sessions) = sessions(3, Some(10)).await;
    let mut watch = sessions.pop().unwrap();
    let (mut changer, mut holder) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    holder.execute("begin").await.unwrap();
    take(&mut holder, tenant, METER, 5).await.unwrap();

    let changing = tokio::spawn(async move {
        set(&mut changer, tenant, METER, "flow", Some(6)).await;
        changer
    });
    tokio::time::sleep(A_WHILE).await;
    assert!(!changing.is_finished());
    // It comes before the change, so the old limit is its limit, to the last unit and in whichever slot it is.
    timeout(SOON, take(&mut holder, tenant, METER, 5))
        .await
        .unwrap()
        .unwrap();
    holder.execute("commit").await.unwrap();
    timeout(SOON, changing).await.unwrap().unwrap();

    let now = status(&mut watch, tenant, METER).await;
    assert_eq!(
        (now.quota_limit, now.used, now.remaining),
        (Some(6), 10, Some(0))
    );
    assert_slots_add_up(&mut watch, tenant, METER).await;
    database.remove().await;
}

#[tokio::test]
async fn old_snapshots_take_from_what_is_there_now() {
    for isolation in ["repeatable read", "serializable"] {
        let (database, tenant, mut sessions) = sessions(2, Some(10)).await;
        let (mut other, mut old) = (sessions.pop().unwrap(), sessions.pop().unwrap());
        old.execute(sqlx::AssertSqlSafe(format!(
            "begin isolation level {isolation}"
        )))
        .await
        .unwrap();
        old.execute("select count(*) from aias.quota_slots")
            .await
            .unwrap();
        take(&mut other, tenant, METER, 7).await.unwrap();

        let error = take(&mut old, tenant, METER, 4).await.unwrap_err();
        let refused = refusal(&error).unwrap_or_else(|| panic!("{isolation}: {error}"));
        assert_eq!(refused.details()["used"], 7);
        old.execute("rollback").await.unwrap();

        old.execute(sqlx::AssertSqlSafe(format!(
            "begin isolation level {isolation}"
        )))
        .await
        .unwrap();
        old.execute("select count(*) from aias.quota_slots")
            .await
            .unwrap();
        take(&mut other, tenant, METER, 1).await.unwrap();
        take(&mut old, tenant, METER, 2).await.unwrap();
        old.execute("commit").await.unwrap();
        assert_eq!(status(&mut old, tenant, METER).await.used, 10);
        database.remove().await;
    }
}

#[tokio::test]
async fn all_isolation_levels_together_admit_exactly_the_limit() {
    let (database, tenant, mut sessions) = sessions(1, Some(2_000)).await;
    sessions[0].execute(TABLES).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for (seed, isolation) in (0..).zip(["read committed", "repeatable read", "serializable"]) {
        let load = Load {
            begin: format!("begin isolation level {isolation}"),
            ..load(database.url(), tenant, seed)
        };
        running.spawn(async move { load.run().await });
    }
    while let Some(outcome) = running.join_next().await {
        // The ledger is an ordinary table, and SQLSTATE 40001 an ordinary answer of the stricter levels.
        let errors = outcome.unwrap().errors;
        assert!(
            errors.iter().all(|error| error.starts_with("40001")),
            "{errors:?}"
        );
    }
    finish(&mut sessions[0], tenant, 2_000).await;
    database.remove().await;
}

#[tokio::test]
async fn transactions_of_many_takes_meet_no_deadlock_at_the_end_of_the_quota() {
    for seed in 0..5 {
        let (database, tenant, mut sessions) = sessions(1, Some(600)).await;
        sessions[0].execute(TABLES).await.unwrap();
        let load = Load {
            sessions: 24,
            most_takes: 8,
            largest: 4,
            rollbacks: 50,
            patience: 6,
            ..load(database.url(), tenant, seed)
        };
        let outcome = timeout(Duration::from_secs(120), load.run())
            .await
            .expect("it ends");
        assert!(
            outcome.errors.is_empty(),
            "seed {seed}: {:?}",
            outcome.errors
        );
        finish(&mut sessions[0], tenant, 600).await;
        database.remove().await;
    }
}

/// Those who commit want exactly the limit, and others take and roll back all the time. A take that is refused would have been refused
/// for something that never was.
#[tokio::test]
async fn nobody_is_refused_for_what_others_take_and_roll_back() {
    let (database, tenant, mut sessions) = sessions(13, Some(400)).await;
    let mut watch = sessions.pop().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for (number, mut session) in sessions.into_iter().enumerate() {
        running.spawn(async move {
            for turn in 0..100 {
                if number < 4 {
                    take(&mut session, tenant, METER, 1)
                        .await
                        .unwrap_or_else(|error| panic!("take {turn} of {number}: {error}"));
                } else {
                    session.execute("begin").await.unwrap();
                    // At the very end there may really be nothing left for these.
                    _ = take(&mut session, tenant, METER, 3).await;
                    session.execute("rollback").await.unwrap();
                }
            }
        });
    }
    while let Some(result) = running.join_next().await {
        result.unwrap();
    }
    assert_eq!(status(&mut watch, tenant, METER).await.used, 400);
    database.remove().await;
}

#[tokio::test]
async fn a_contended_meter_is_cut_into_more_slots_and_stays_whole() {
    let (database, tenant, mut sessions) = sessions(17, Some(1_000_000)).await;
    let mut watch = sessions.pop().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for mut session in sessions {
        running.spawn(async move {
            for _ in 0..20 {
                // Each holds its slot for a while, so that they meet however slowly the machine starts them.
                session.execute("begin").await.unwrap();
                take(&mut session, tenant, METER, 1).await.unwrap();
                session.execute("select pg_sleep(0.003)").await.unwrap();
                session.execute("commit").await.unwrap();
            }
        });
    }
    while let Some(result) = running.join_next().await {
        result.unwrap();
    }
    assert_slots_add_up(&mut watch, tenant, METER).await;
    let (slots,): (i64,) = sqlx::query_as("select count(*) from aias.quota_slots")
        .fetch_one(&mut watch)
        .await
        .unwrap();
    assert!((8..=64).contains(&slots), "{slots} slots");
    assert_eq!(status(&mut watch, tenant, METER).await.used, 16 * 20);

    // One take may need all of them, and the next plan fits into fewer.
    take(&mut watch, tenant, METER, 1_000_000 - 16 * 20 - 10)
        .await
        .unwrap();
    assert!(take(&mut watch, tenant, METER, 11).await.is_err());
    take(&mut watch, tenant, METER, 10).await.unwrap();
    set(&mut watch, tenant, METER, "flow", Some(1_000_003)).await;
    take(&mut watch, tenant, METER, 3).await.unwrap();
    assert!(take(&mut watch, tenant, METER, 1).await.is_err());
    assert_slots_add_up(&mut watch, tenant, METER).await;
    database.remove().await;
}

#[tokio::test]
async fn a_cancelled_wait_ends_and_leaves_nothing_behind() {
    let (database, tenant, mut sessions) = sessions(2, Some(5)).await;
    let (mut other, mut holder) = (sessions.pop().unwrap(), sessions.pop().unwrap());
    holder.execute("begin").await.unwrap();
    take(&mut holder, tenant, METER, 5).await.unwrap();
    for timeout in [
        "set statement_timeout = '150ms'; set lock_timeout = 0",
        "set statement_timeout = 0; set lock_timeout = '150ms'",
    ] {
        other.execute(timeout).await.unwrap();
        let error = take(&mut other, tenant, METER, 1).await.unwrap_err();
        assert!(
            ["57014", "55P03"].contains(&sqlstate(&error).as_str()),
            "{error}"
        );
    }
    holder.execute("rollback").await.unwrap();
    other.execute("set lock_timeout = 0").await.unwrap();
    take(&mut other, tenant, METER, 5).await.unwrap();
    database.remove().await;
}

#[tokio::test]
async fn takes_and_gifts_of_many_sessions_end_where_they_add_up_to() {
    let (database, tenant, mut sessions) = sessions(13, Some(50)).await;
    let mut watch = sessions.pop().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for mut session in sessions {
        running.spawn(async move {
            let mut held = 0;
            for turn in 0..80 {
                if turn % 3 < 2 {
                    match take(&mut session, tenant, METER, 1).await {
                        Ok(()) => held += 1,
                        Err(error) => assert!(refusal(&error).is_some(), "{error}"),
                    }
                } else if held > 0 {
                    give(&mut session, tenant, METER, 1).await.unwrap();
                    held -= 1;
                }
            }
            held
        });
    }
    let mut held = 0;
    while let Some(result) = running.join_next().await {
        held += result.unwrap();
    }
    assert!(held <= 50);
    assert_eq!(status(&mut watch, tenant, METER).await.used, held);
    finish_with(&mut watch, tenant, held, 50).await;
    database.remove().await;
}

async fn sessions(count: usize, limit: Option<i64>) -> (Database, Uuid, Vec<PgConnection>) {
    let database = Database::create().await;
    let tenant = Uuid::now_v7();
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(database.connect().await);
    }
    set(&mut sessions[0], tenant, METER, "flow", limit).await;
    (database, tenant, sessions)
}

fn load(url: String, tenant: Uuid, seed: u64) -> Load {
    Load {
        url,
        tenant,
        meter: METER.to_owned(),
        how: How::Extension,
        begin: "begin".to_owned(),
        sessions: 10,
        seed,
        largest: 3,
        most_takes: 3,
        rollbacks: 30,
        milliseconds_of_work: 0,
        patience: 3,
    }
}

/// What the ledger says is what is used, and the rest of the limit is there.
async fn finish(c: &mut PgConnection, tenant: Uuid, limit: i64) {
    let (admitted,): (i64,) = sqlx::query_as("select sum(amount)::bigint from ledger")
        .fetch_one(&mut *c)
        .await
        .unwrap();
    assert!(admitted <= limit, "{admitted} of {limit}");
    finish_with(c, tenant, admitted, limit).await;
}

async fn finish_with(c: &mut PgConnection, tenant: Uuid, admitted: i64, limit: i64) {
    assert_eq!(status(c, tenant, METER).await.used, admitted);
    if admitted < limit {
        take(c, tenant, METER, limit - admitted).await.unwrap();
    }
    assert!(take(c, tenant, METER, 1).await.is_err());
    c.ping().await.unwrap();
    assert_slots_add_up(c, tenant, METER).await;
}
