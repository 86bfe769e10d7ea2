//! Where a cell is played: one transaction, in which every attempt is taken back.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::outcome::Outcome;
use crate::players::Player;

pub struct Stage<'c> {
    connection: &'c mut PgConnection,
    role: &'static str,
    /// Whose rows may change.
    home: Uuid,
    person: Option<Uuid>,
    everything_else: String,
    before: String,
    /// What queries answered while nothing was attempted: always the same.
    known: HashMap<String, Vec<String>>,
    /// Whether the last attempt is still to be taken back.
    is_undone: bool,
}

const UNDO: &str = "rollback to savepoint attempt; release savepoint attempt";

/// Every table in which something could be changed, as one query over all rows that are not the player's tenant's ($1), nor the player's
/// own profile ($2). A row that is changed stands in another place, so places are enough, and quicker than what the rows say.
const TABLES: &str = "
  select string_agg(format('select %L as name, count(*) || '' '' || bit_xor(hashtid(t.ctid)) as rows from %s t where %s', c.oid::regclass, c.oid::regclass, case
           when c.oid in ('public.users'::regclass, 'auth.users'::regclass) then 'id is distinct from $2'
           when c.oid = 'public.tenants'::regclass then 'id <> $1'
           when exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
             then 'tenant_id <> $1'
           else 'true' end), ' union all ')
    from pg_catalog.pg_class c
   where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> '_sqlx_migrations'
     and c.relnamespace::regnamespace::text in ('public', 'private', 'queue', 'audit', 'aias', 'auth')";

impl<'c> Stage<'c> {
    /// `connection` is in a transaction, as the superuser.
    pub async fn new(connection: &'c mut PgConnection) -> Self {
        let tables: String = sqlx::query_scalar(TABLES)
            .fetch_one(&mut *connection)
            .await
            .expect("the catalogue answers");
        Self {
            connection,
            role: "none",
            home: Uuid::nil(),
            person: None,
            everything_else: format!(
                "select string_agg(name || ' ' || rows, ', ' order by name) from ({tables}) counted"
            ),
            before: String::new(),
            known: HashMap::new(),
            is_undone: true,
        }
    }

    /// From here on it is this player who attempts.
    pub async fn give_to(&mut self, player: &Player) {
        self.clear().await;
        sqlx::query("select set_config('request.jwt.claims', $1, true)")
            .bind(player.actor.claims())
            .execute(&mut *self.connection)
            .await
            .expect("claims");
        self.role = player.actor.role();
        self.home = player.home.id();
        self.person = player.person();
        self.before = self.everything_else().await;
    }

    /// Runs a statement as the player. `undo` takes it back.
    pub async fn attempt(&mut self, statement: &str) -> Outcome {
        let sql = format!("{}; {statement}; reset role", self.as_the_player());
        let outcome = self
            .connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await;
        match outcome {
            Ok(done) => Outcome::Touched(done.rows_affected()),
            Err(error) => {
                let error = error
                    .as_database_error()
                    .expect("an answer of the database");
                Outcome::Threw(
                    error.code().unwrap_or_default().into_owned(),
                    error.message().to_owned(),
                )
            }
        }
    }

    /// Together with what comes next, which saves a round trip.
    pub fn undo(&mut self) {
        self.is_undone = false;
    }

    async fn clear(&mut self) {
        if !std::mem::replace(&mut self.is_undone, true) {
            self.execute(UNDO).await;
        }
    }

    /// What an attempt begins with.
    fn as_the_player(&mut self) -> String {
        let begin = format!("savepoint attempt; set local role {}", self.role);
        match std::mem::replace(&mut self.is_undone, true) {
            true => begin,
            false => format!("{UNDO}; {begin}"),
        }
    }

    /// The first column of what the player sees. None when the player may not even ask.
    pub async fn seen(&mut self, query: &str) -> Result<Option<Vec<String>>, String> {
        let sql = format!("{}; {query}", self.as_the_player());
        let rows = self.fetch(sql).await;
        self.undo();
        match rows {
            Ok(rows) => Ok(Some(rows)),
            Err(error) => {
                let error = error
                    .as_database_error()
                    .expect("an answer of the database");
                match error.code().as_deref() {
                    Some("42501") => Ok(None),
                    _ => Err(error.message().to_owned()),
                }
            }
        }
    }

    /// Whether a row changed that is not the player's to change.
    pub async fn changed_others(&mut self) -> bool {
        self.everything_else().await != self.before
    }

    async fn everything_else(&mut self) -> String {
        sqlx::query_scalar(AssertSqlSafe(self.everything_else.clone()))
            .bind(self.home)
            .bind(self.person)
            .fetch_one(&mut *self.connection)
            .await
            .expect("a fingerprint")
    }

    /// The first column of a query, as the superuser, while nothing is attempted.
    pub async fn rows(&mut self, query: &str) -> Vec<String> {
        if let Some(known) = self.known.get(query) {
            return known.clone();
        }
        self.clear().await;
        let rows = self.fetch(query.to_owned()).await;
        let rows = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
        self.known.insert(query.to_owned(), rows.clone());
        rows
    }

    /// As the superuser, while nothing is attempted.
    pub async fn count(&mut self, table: &str, condition: &str) -> u64 {
        number(&self.rows(&counting(table, condition)).await)
    }

    /// As the superuser, in the middle of an attempt.
    pub async fn count_now(&mut self, table: &str, condition: &str) -> u64 {
        let sql = counting(table, condition);
        let rows = self.fetch(sql.clone()).await;
        number(&rows.unwrap_or_else(|error| panic!("{sql}: {error}")))
    }

    /// The columns that the player's role has the right to update, as it is granted now.
    pub async fn granted_columns(&mut self, table: &str) -> Vec<String> {
        let sql = format!(
            "select a.attname::text from pg_catalog.pg_attribute a
              where a.attrelid = 'public.{table}'::regclass and a.attnum > 0 and not a.attisdropped
                and has_column_privilege('{}', a.attrelid, a.attnum, 'update')",
            self.role
        );
        self.clear().await;
        let rows = self.fetch(sql.clone()).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// A row as JSON, as the superuser.
    pub async fn a_row(&mut self, table: &str, condition: &str) -> Value {
        let sql = format!(
            "select to_jsonb(t) from public.{table} t where {condition} order by t limit 1"
        );
        sqlx::query_scalar(AssertSqlSafe(sql.clone()))
            .fetch_one(&mut *self.connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The superuser's, while nothing is attempted.
    pub async fn connection(&mut self) -> &mut PgConnection {
        self.clear().await;
        self.connection
    }

    async fn fetch(&mut self, sql: String) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn execute(&mut self, sql: &str) {
        self.connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn counting(table: &str, condition: &str) -> String {
    format!("select count(*)::text from public.{table} t where {condition}")
}

fn number(rows: &[String]) -> u64 {
    rows.first()
        .and_then(|row| row.parse().ok())
        .expect("a count")
}
