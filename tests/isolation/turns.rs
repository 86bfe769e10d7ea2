//! Two sessions that take turns: the second begins before the first has ended, and waits for it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool};
use tests::actor::Actor;
use tests::world::{ALPHA, Thing};

/// What somebody does.
pub struct Move {
    /// None: the operator.
    pub who: Option<Actor>,
    pub statement: String,
}

pub fn as_operator(statement: impl Into<String>) -> Move {
    Move {
        who: None,
        statement: statement.into(),
    }
}

pub fn by(who: Thing, statement: impl Into<String>) -> Move {
    Move {
        who: Some(ALPHA.person(who)),
        statement: statement.into(),
    }
}

/// The second begins when the first has done its part and not yet committed, and has to wait for it. Answers the code of the refusal that
/// the second ends with, if it does.
pub async fn one_after_the_other(pool: &PgPool, first: Move, second: Move) -> Option<String> {
    let options = (*pool.connect_options()).clone();
    let mut one = open(&options, "read committed", &first).await;
    one.execute(sqlx::raw_sql(AssertSqlSafe(first.statement)))
        .await
        .expect("the first move");
    let mut other = open(&options, "read committed", &second).await;
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut other)
        .await
        .expect("a pid");
    let second = tokio::spawn(async move {
        let outcome = other
            .execute(sqlx::raw_sql(AssertSqlSafe(second.statement)))
            .await;
        let code = outcome.err().map(|error| code(&error));
        let end = if code.is_none() { "commit" } else { "rollback" };
        other.execute(end).await.expect("the end");
        code
    });
    wait_until_it_waits(pool, pid).await;
    one.execute("commit").await.expect("the first ends");
    second.await.expect("the second ends")
}

pub async fn open(options: &PgConnectOptions, isolation: &str, made: &Move) -> PgConnection {
    let mut connection = options.connect().await.expect("a connection");
    let begin = format!("begin isolation level {isolation}");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
        .await
        .expect("a transaction");
    if let Some(who) = &made.who {
        who.act(&mut connection).await.expect("claims and a role");
    }
    connection
}

/// Until another session is held up by a lock. One that never is ends the test by nextest's time limit, and by the panic here.
async fn wait_until_it_waits(pool: &PgPool, pid: i32) {
    for _ in 0..2000 {
        let waits: bool = sqlx::query_scalar(
            "select exists (select from pg_catalog.pg_stat_activity where pid = $1 and wait_event_type = 'Lock')",
        )
        .bind(pid)
        .fetch_one(pool)
        .await
        .expect("what it waits for");
        if waits {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the second did not wait for the first");
}

/// The code in the body of a refusal, or the SQLSTATE.
pub fn code(error: &sqlx::Error) -> String {
    let error = error
        .as_database_error()
        .expect("an answer of the database");
    let error: &PgDatabaseError = error.downcast_ref();
    let body: serde_json::Value = serde_json::from_str(error.message()).unwrap_or_default();
    body["code"].as_str().unwrap_or(error.code()).to_owned()
}
