//! Notes, as tests write and take them.

use serde_json::Value;
use sqlx::PgConnection;

/// `aias.note`.
pub async fn note(connection: &mut PgConnection, note: impl Into<Value>) -> bool {
    sqlx::query_scalar("select aias.note($1)")
        .bind(note.into())
        .fetch_one(connection)
        .await
        .expect("a note can be kept")
}

/// `aias.take_notes`, without the instants.
pub async fn take_notes(connection: &mut PgConnection, most: i32) -> Vec<Value> {
    sqlx::query_scalar("select note from aias.take_notes($1)")
        .bind(most)
        .fetch_all(connection)
        .await
        .expect("notes can be taken")
}

/// `aias.notes_lost`.
pub async fn notes_lost(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select aias.notes_lost()")
        .fetch_one(connection)
        .await
        .expect("how many were lost can be asked")
}
