use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};

/// A new database with the extension in it.
pub struct Database {
    name: String,
    options: PgConnectOptions,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// Makes one on the server that `AIAS_TEST_DATABASE_URL` names.
    pub async fn create() -> Self {
        let name = format!(
            "aias_extension_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let options = server();
        let mut server = connect(&options).await;
        // A test that was killed may have left one of the same name behind.
        for statement in [
            format!("drop database if exists {name} with (force)"),
            format!("create database {name} template template0"),
        ] {
            server
                .execute(sqlx::AssertSqlSafe(statement))
                .await
                .expect("the server's user may create databases");
        }
        let database = Database {
            options: options.database(&name),
            name,
        };
        database
            .connect()
            .await
            .execute("create extension aias")
            .await
            .expect("the extension is installed on the server");
        database
    }

    /// A session on the server itself, in the database that the URL names.
    pub async fn server() -> PgConnection {
        connect(&server()).await
    }

    /// A session.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.options).await
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For another process.
    pub fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    /// Removes it.
    pub async fn remove(self) {
        connect(&server())
            .await
            .execute(sqlx::AssertSqlSafe(format!(
                "drop database {} with (force)",
                self.name
            )))
            .await
            .expect("the database can be removed");
    }
}

fn server() -> PgConnectOptions {
    std::env::var("AIAS_TEST_DATABASE_URL")
        .expect("AIAS_TEST_DATABASE_URL names a server with the extension installed; `cargo xtask test` starts one")
        .parse()
        .expect("AIAS_TEST_DATABASE_URL is a URL of a Postgres server")
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(options)
        .await
        .expect("the server takes connections")
}
