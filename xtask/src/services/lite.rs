//! Supabase Lite: PostgREST and Auth in one Node process, on our Postgres.
//!
//! It is alpha software with a pinned version; whatever is peculiar to it is here, in `lite.sql` and in
//! `xtask/stand-ins/lite.config.mjs`.
//! Its documents: `node_modules/@supabase/lite/docs`.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::cluster::Cluster;
use crate::layout;
use crate::ports::Ports;
use crate::secrets::Secrets;
use crate::supervisor::{Ready, Service, Stop};

const ROLE: &str = "aias_lite";

/// Makes Lite's login role and opens what it needs. To be repeated after migrations: they make tables.
pub async fn prepare_role(connection: &mut PgConnection, secrets: &Secrets) -> Result<()> {
    sqlx::raw_sql(include_str!("lite.sql"))
        .execute(&mut *connection)
        .await
        .context("preparing the role of Supabase Lite")?;
    let password = format!("alter role {ROLE} password '{}'", secrets.lite_password);
    sqlx::raw_sql(AssertSqlSafe(password))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Lite reads the schema when it starts, so it starts after the migrations.
pub fn service(cluster: &Cluster, ports: &Ports, secrets: &Secrets) -> Service {
    let root = layout::root();
    let port = ports.api.to_string();
    let database_url = cluster.url_of(ROLE, &secrets.lite_password, "postgres");
    let env = [
        ("AIAS_LITE_PORT", port.as_str()),
        ("AIAS_LITE_DATABASE_URL", &database_url),
        ("AIAS_LITE_JWT_SECRET", &secrets.jwt_secret),
        ("AIAS_LITE_PUBLISHABLE_KEY", &secrets.publishable_key),
        ("AIAS_LITE_SECRET_KEY", &secrets.secret_key),
        ("DO_NOT_TRACK", "1"),
        ("NO_COLOR", "1"),
    ];
    Service {
        name: "supabase-lite".to_owned(),
        program: "node".into(),
        args: vec![
            root.join("node_modules/@supabase/lite/dist/cli/index.js")
                .display()
                .to_string(),
            "start".to_owned(),
            // Or requests without a key would be served as service_role.
            "--no-admin".to_owned(),
            "--config".to_owned(),
            "lite.config.mjs".to_owned(),
        ],
        env: env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        cwd: root.join("xtask/stand-ins"),
        user: None,
        port: Some(ports.api),
        ready: Ready::Http(format!(
            "http://127.0.0.1:{port}/auth/v1/settings?apikey={}",
            secrets.publishable_key
        )),
        stop: Stop::Terminate,
    }
}
