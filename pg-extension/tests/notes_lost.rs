//! When more notes are kept than there is room for: the oldest are lost, and counted. On servers of their own, since the memory is one for
//! all databases of a server.

use serde_json::Value;
use sqlx::Executor;
use support::OwnServer;
use support::notes::{note, notes_lost, take_notes};

/// The least that can be set.
const ROOM: usize = 10;

async fn small_server() -> OwnServer {
    OwnServer::start(&["shared_preload_libraries=aias", "aias.note_entries=10"]).await
}

#[tokio::test]
async fn the_oldest_makes_room_and_is_counted() {
    let server = small_server().await;
    let mut c = server.session().await;
    for number in 0..10 {
        assert!(note(&mut c, number).await);
    }
    assert_eq!(notes_lost(&mut c).await, 0);
    for number in 10..35 {
        assert!(note(&mut c, number).await);
    }
    assert_eq!(notes_lost(&mut c).await, 25);
    let expected: Vec<Value> = (25..35).map(Value::from).collect();
    assert_eq!(take_notes(&mut c, 1000).await, expected);
    assert_eq!(notes_lost(&mut c).await, 25);
}

#[tokio::test]
async fn nothing_is_lost_while_there_is_a_gap_between_the_notes_of_others() {
    let server = small_server().await;
    let (mut here, mut there) = (server.session().await, server.session_of("other").await);
    // In turns, so that what is taken leaves gaps.
    for number in 0..5 {
        assert!(note(&mut here, number).await);
        assert!(note(&mut there, number).await);
    }
    for round in 0..20 {
        assert_eq!(take_notes(&mut here, 1000).await.len(), 5, "round {round}");
        for number in 0..5 {
            assert!(note(&mut here, number).await);
        }
    }
    assert_eq!(notes_lost(&mut here).await, 0);
    // One too many: the oldest of all goes, whoever it is of.
    assert!(note(&mut here, 5).await);
    assert_eq!(notes_lost(&mut here).await, 1);
    assert_eq!(take_notes(&mut there, 1000).await, [1, 2, 3, 4]);
    assert_eq!(take_notes(&mut here, 1000).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_database_finds_its_notes_behind_very_many_of_another() {
    let server =
        OwnServer::start(&["shared_preload_libraries=aias", "aias.note_entries=4000"]).await;
    let (mut here, mut there) = (server.session().await, server.session_of("other").await);
    // The first number is how many are looked at before others may have the lock.
    for (number, others) in [500, 1200, 1900].into_iter().enumerate() {
        sqlx::query("select aias.note(to_jsonb(n)) from generate_series(1, $1) n")
            .bind(others)
            .execute(&mut there)
            .await
            .unwrap();
        assert!(note(&mut here, number).await);
    }
    assert_eq!(take_notes(&mut here, 2).await, [0, 1]);
    assert_eq!(take_notes(&mut here, 1000).await, [2]);
    assert_eq!(take_notes(&mut there, 10_000).await.len(), 3600);
    assert_eq!(notes_lost(&mut here).await, 0);
}

/// However many write and take at once, each note is taken or lost, and none is both.
#[tokio::test]
async fn what_many_sessions_keep_is_taken_or_lost() {
    const SESSIONS: i64 = 16;
    // A call is so short that two meet only when there are very many.
    const NOTES: i64 = 20_000;

    let server = small_server().await;
    let mut running = tokio::task::JoinSet::new();
    for session in 0..SESSIONS {
        let mut c = server.session().await;
        running.spawn(async move {
            c.execute("set statement_timeout = '60 s'").await.unwrap();
            // Between its own, each takes some of whomever's.
            let taken: Vec<i64> = sqlx::query_scalar(
                "select note::bigint from generate_series($1::bigint, $1 + $2 - 1) n,
                        lateral (select aias.note(to_jsonb(n)) as is_kept) kept,
                        lateral aias.take_notes(case when is_kept and n % 10 = 0 then 3 else 0 end)",
            )
            .bind(session * NOTES)
            .bind(NOTES)
            .fetch_all(&mut c)
            .await
            .unwrap();
            taken
        });
    }
    let mut taken = Vec::new();
    while let Some(of_session) = running.join_next().await {
        taken.extend(of_session.unwrap());
    }
    let mut c = server.session().await;
    for left in take_notes(&mut c, 1000).await {
        taken.push(left.as_i64().unwrap());
    }
    let lost = notes_lost(&mut c).await;
    assert_eq!(taken.len() as i64 + lost, SESSIONS * NOTES);
    assert!(lost > 0 && taken.len() > ROOM, "{lost} lost");
    taken.sort_unstable();
    assert!(taken.is_sorted_by(|one, next| one < next), "taken twice");
}
