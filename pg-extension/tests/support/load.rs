//! Sessions that take from one meter until it is dry, and write down what was admitted in the same transaction.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use crate::{refusal, sqlstate};

/// What sessions do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    pub url: String,
    pub tenant: Uuid,
    pub meter: String,
    /// How an amount is admitted.
    pub how: How,
    /// The statement that begins a transaction.
    pub begin: String,
    pub sessions: usize,
    pub seed: u64,
    /// Amounts are from 1 to this.
    pub largest: i64,
    /// A transaction has takes from 1 to this.
    pub most_takes: usize,
    /// Of a hundred transactions, so many are rolled back.
    pub rollbacks: u32,
    /// A transaction does something else for so long before it ends, as those of applications do.
    pub milliseconds_of_work: u32,
    /// A session stops after so many refusals in a row.
    pub patience: u32,
}

/// How an amount is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    Extension,
    /// As applications do it: look whether it fits, then add it.
    CheckThenAdd,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Units in transactions that this process saw commit.
    pub admitted: i64,
    pub refused: u64,
    pub rolled_back: u64,
    /// Connections that were lost, to a kill.
    pub lost: u64,
    /// Errors that are none of these, by SQLSTATE.
    pub errors: Vec<String>,
}

/// The tables that a load writes: what was admitted, and the counter of the other way.
pub const TABLES: &str = "
    create table ledger (amount bigint not null);
    create table counter (used bigint not null, quota_limit bigint not null);
";

impl Load {
    /// Runs all sessions to their end.
    pub async fn run(&self) -> Outcome {
        let mut running = tokio::task::JoinSet::new();
        for session in 0..self.sessions {
            let load = self.clone();
            running.spawn(async move { load.session(session as u64).await });
        }
        let mut total = Outcome::default();
        while let Some(outcome) = running.join_next().await {
            let outcome = outcome.expect("a session does not panic");
            total.admitted += outcome.admitted;
            total.refused += outcome.refused;
            total.rolled_back += outcome.rolled_back;
            total.lost += outcome.lost;
            total.errors.extend(outcome.errors);
        }
        total
    }

    async fn session(&self, number: u64) -> Outcome {
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003) ^ number);
        let mut outcome = Outcome::default();
        let mut refused_in_a_row = 0;
        let mut connection = self.connect().await;
        while refused_in_a_row < self.patience {
            match self.transaction(&mut connection, &mut random).await {
                Ok(Some(amount)) => {
                    outcome.admitted += amount;
                    refused_in_a_row = 0;
                }
                Ok(None) => outcome.rolled_back += 1,
                Err(error) if refusal(&error).is_some() || is_full(&error) => {
                    outcome.refused += 1;
                    refused_in_a_row += 1;
                    _ = connection.execute("rollback").await;
                }
                Err(error)
                    if matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_))
                        || sqlstate(&error) == "57P01" =>
                {
                    outcome.lost += 1;
                    connection = self.connect().await;
                }
                Err(error) => {
                    outcome
                        .errors
                        .push(format!("{}: {error}", sqlstate(&error)));
                    refused_in_a_row += 1;
                    _ = connection.execute("rollback").await;
                }
            }
        }
        outcome
    }

    /// The units admitted, or none when it was rolled back on purpose.
    async fn transaction(
        &self,
        connection: &mut PgConnection,
        random: &mut StdRng,
    ) -> sqlx::Result<Option<i64>> {
        let takes = random.random_range(1..=self.most_takes);
        let commit = random.random_range(0..100) >= self.rollbacks;
        let mut sum = 0;
        sqlx::raw_sql(sqlx::AssertSqlSafe(self.begin.clone()))
            .execute(&mut *connection)
            .await?;
        for _ in 0..takes {
            let amount = random.random_range(1..=self.largest);
            self.take(connection, amount).await?;
            sqlx::query("insert into ledger values ($1)")
                .bind(amount)
                .execute(&mut *connection)
                .await?;
            sum += amount;
        }
        if self.milliseconds_of_work > 0 {
            sqlx::query("select pg_sleep($1 / 1000.0)")
                .bind(f64::from(self.milliseconds_of_work))
                .execute(&mut *connection)
                .await?;
        }
        if commit {
            connection.execute("commit").await?;
            Ok(Some(sum))
        } else {
            connection.execute("rollback").await?;
            Ok(None)
        }
    }

    async fn take(&self, connection: &mut PgConnection, amount: i64) -> sqlx::Result<()> {
        match self.how {
            How::Extension => crate::take(connection, self.tenant, &self.meter, amount).await,
            How::CheckThenAdd => {
                let (fits,): (bool,) =
                    sqlx::query_as("select used + $1 <= quota_limit from counter")
                        .bind(amount)
                        .fetch_one(&mut *connection)
                        .await?;
                if !fits {
                    return Err(sqlx::Error::RowNotFound);
                }
                sqlx::query("update counter set used = used + $1")
                    .bind(amount)
                    .execute(&mut *connection)
                    .await
                    .map(drop)
            }
        }
    }

    async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().expect("the URL is one of Postgres");
        // With hundreds of sessions that begin at once, one may be turned away at first.
        for _ in 0..50 {
            if let Ok(connection) = PgConnection::connect_with(&options).await {
                return connection;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the server takes no connections");
    }
}

/// The other way's refusal.
fn is_full(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::RowNotFound)
}
