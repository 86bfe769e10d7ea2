//! Notes: kept outside of transactions, and taken by the database that they are of.
//!
//! The server preloads the library. Its memory for notes is shared by all tests that run at the same time, so what fills that up is in
//! `notes_lost`, on a server of its own.

use serde_json::{Value, json};
use sqlx::{Executor, PgConnection, Row};
use support::notes::{note, take_notes};
use support::{Database, sqlstate};

async fn error(connection: &mut PgConnection, expression: &str) -> sqlx::Error {
    let statement = format!("select {expression}");
    connection
        .execute(sqlx::AssertSqlSafe(statement.as_str()))
        .await
        .unwrap_err()
}

// What is kept --------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_note_outlives_the_transaction_that_is_rolled_back() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    c.execute("begin").await.unwrap();
    assert!(note(&mut c, "in a transaction").await);
    c.execute("savepoint before").await.unwrap();
    assert!(note(&mut c, "after a savepoint").await);
    c.execute("rollback to savepoint before").await.unwrap();
    c.execute("rollback").await.unwrap();

    // As a refusal does it: the statement that keeps the note is the one that fails.
    let refused = "do $$ begin
        perform aias.note('\"before a refusal\"');
        raise exception 'refused';
      end $$";
    assert_eq!(sqlstate(&c.execute(refused).await.unwrap_err()), "P0001");

    assert_eq!(
        take_notes(&mut c, 1000).await,
        ["in a transaction", "after a savepoint", "before a refusal"]
    );
    database.remove().await;
}

#[tokio::test]
async fn a_transaction_that_reads_only_keeps_and_takes() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    c.execute("begin read only").await.unwrap();
    assert!(note(&mut c, 1).await);
    assert!(note(&mut c, 2).await);
    assert_eq!(take_notes(&mut c, 1).await, [1]);
    c.execute("commit").await.unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, [2]);
    database.remove().await;
}

#[tokio::test]
async fn a_note_comes_back_as_it_was_and_says_when_it_was_kept() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    // Numbers that no f64 holds, what text would escape, and values that are no objects.
    let notes = [
        r#"{"a": {"b": [1, -2.50, 1e400, 12345678901234567890.123]}, "": ""}"#,
        r#"{"event": "zürich \"\\ \n \u0001 😀", "none": null, "yes": true}"#,
        r#"[]"#,
        r#""text""#,
        r#"17.00"#,
        r#"false"#,
        r#"null"#,
    ];
    for note in notes {
        let kept = c
            .fetch_one(
                sqlx::query(
                    "select aias.note($1::jsonb), clock_timestamp() > statement_timestamp()",
                )
                .bind(note),
            )
            .await
            .unwrap();
        assert!(kept.get::<bool, _>(0) && kept.get::<bool, _>(1), "{note}");
    }
    let taken = c
        .fetch_all(
            sqlx::query(
                "with taken as materialized (select * from aias.take_notes() with ordinality)
                 select note = $1[ordinality]::jsonb and note::text = $1[ordinality]::jsonb::text,
                        at between clock_timestamp() - interval '1 hour' and clock_timestamp()
                          and at >= coalesce(lag(at) over (order by ordinality), at)
                   from taken order by ordinality",
            )
            .bind(notes.map(str::to_owned)),
        )
        .await
        .unwrap();
    assert_eq!(taken.len(), notes.len());
    for (row, note) in taken.iter().zip(notes) {
        assert!(row.get::<bool, _>(0), "{note}");
        assert!(row.get::<bool, _>(1), "the instants grow, up to now");
    }
    database.remove().await;
}

// Whose they are ------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn notes_are_taken_oldest_first_at_most_so_many_and_once() {
    let database = Database::create().await;
    let (mut one, mut other) = (database.connect().await, database.connect().await);
    // More than are copied at a time.
    for number in 0..30 {
        let c = if number % 3 == 0 {
            &mut one
        } else {
            &mut other
        };
        assert!(note(c, number).await);
    }
    let numbers = |range: std::ops::Range<i32>| range.map(Value::from).collect::<Vec<_>>();
    assert_eq!(take_notes(&mut one, 0).await, [] as [Value; 0]);
    assert_eq!(take_notes(&mut one, 1).await, numbers(0..1));
    assert_eq!(take_notes(&mut other, 19).await, numbers(1..20));
    // Without an argument, as many as a thousand.
    let rest: i64 = one
        .fetch_one("select count(*) from aias.take_notes()")
        .await
        .unwrap()
        .get(0);
    assert_eq!(rest, 10);
    assert_eq!(take_notes(&mut one, i32::MAX).await, [] as [Value; 0]);
    database.remove().await;
}

#[tokio::test]
async fn a_database_takes_its_own_notes_only() {
    let (one, other) = (Database::create().await, Database::create().await);
    let (mut here, mut there) = (one.connect().await, other.connect().await);
    for number in 0..10 {
        assert!(note(&mut here, format!("here {number}")).await);
        assert!(note(&mut there, format!("there {number}")).await);
    }
    let of = |place: &str, numbers: std::ops::Range<i32>| {
        numbers
            .map(|number| json!(format!("{place} {number}")))
            .collect::<Vec<_>>()
    };
    assert_eq!(take_notes(&mut there, 4).await, of("there", 0..4));
    assert_eq!(take_notes(&mut here, 1000).await, of("here", 0..10));
    assert_eq!(take_notes(&mut here, 1000).await, [] as [Value; 0]);
    assert_eq!(take_notes(&mut there, 1000).await, of("there", 4..10));
    one.remove().await;
    other.remove().await;
}

// Mistakes, rights ----------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_makes_no_sense_is_22023_and_is_not_kept() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    for (call, sentence) in [
        ("aias.note(null)", "the note must not be null"),
        // With the quotes, one byte too long; and two bytes for each character.
        (
            "aias.note(to_jsonb(repeat('x', 1023)))",
            "a note has at most 1024 bytes as text, not 1025",
        ),
        (
            "aias.note(to_jsonb(repeat('ü', 512)))",
            "a note has at most 1024 bytes as text, not 1026",
        ),
        (
            "aias.note(to_jsonb(1e2000::numeric))",
            "a note has at most 1024 bytes as text, not 2001",
        ),
        (
            "count(*) from aias.take_notes(null)",
            "the most notes to take must not be null",
        ),
        (
            "count(*) from aias.take_notes(-1)",
            "the most notes to take must not be negative, and is -1",
        ),
    ] {
        let error = error(&mut c, call).await;
        assert_eq!(sqlstate(&error), "22023", "{call}: {error}");
        assert!(error.to_string().contains(sentence), "{call}: {error}");
    }
    let longest = "x".repeat(1022);
    assert!(note(&mut c, longest.as_str()).await);
    assert_eq!(take_notes(&mut c, 1000).await, [longest]);
    database.remove().await;
}

#[tokio::test]
async fn nobody_may_call_them_who_was_not_allowed_to() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    // A role that every server has, and that is nobody special here.
    c.execute("grant usage on schema aias to pg_monitor; set role pg_monitor")
        .await
        .unwrap();
    for call in [
        "aias.note('1')",
        "aias.notes_lost()",
        "count(*) from aias.take_notes()",
    ] {
        assert_eq!(sqlstate(&error(&mut c, call).await), "42501", "{call}");
    }
    c.execute("reset role; grant execute on function aias.note to pg_monitor; set role pg_monitor")
        .await
        .unwrap();
    assert!(note(&mut c, 1).await);
    c.execute("reset role").await.unwrap();
    assert_eq!(take_notes(&mut c, 1000).await, [1]);
    database.remove().await;
}

/// A parallel worker's end is not the end of the transaction that it works for.
#[tokio::test]
async fn postgres_knows_that_they_change_something_and_must_not_be_called_in_parallel() {
    let database = Database::create().await;
    let mut c = database.connect().await;
    let rows = c
        .fetch_all(
            "select proname::text, provolatile::text || proparallel::text from pg_proc
              where pronamespace = 'aias'::regnamespace and proname ~ 'note' order by 1",
        )
        .await
        .unwrap();
    let functions: Vec<(String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        functions,
        ["note", "notes_lost", "take_notes"].map(|name| (name.to_owned(), "vu".to_owned()))
    );
    database.remove().await;
}
