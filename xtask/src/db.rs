//! `cargo xtask db`: the database of a stack, or any other.

use std::process::ExitCode;

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection};
use tokio::process::Command;

use crate::cli::{DbCommand, DbTarget, DirArgs, PsqlArgs};
use crate::database::{access, connect, migrate, policies, with_database};
use crate::down;
use crate::progress::{Lines, Progress};
use crate::secrets::Secrets;
use crate::setup;
use crate::stack::Stack;
use crate::supervisor::Supervisor;
use crate::up::{self, Fresh};

pub async fn run(command: DbCommand) -> Result<ExitCode> {
    let progress = Progress::new(Lines::Stdout);
    match command {
        DbCommand::Migrate(target) => migrate_target(&target, progress).await,
        DbCommand::Policies(target) => {
            let mut connection = connect(&url(&target)?).await?;
            let files = policies::apply(&mut connection).await?;
            connection.close().await?;
            progress.line(format!("  ✓ policies of {files} files applied"));
            Ok(ExitCode::SUCCESS)
        }
        DbCommand::Check(target) => check(&target, progress).await,
        DbCommand::Reset(dir) => reset(&dir, progress).await,
        DbCommand::Psql(args) => psql(&args).await,
    }
}

pub(crate) fn url(target: &DbTarget) -> Result<String> {
    match &target.database_url {
        Some(url) => Ok(url.clone()),
        None => Ok(Stack::demand(&target.dir.layout()?)?.database_url),
    }
}

async fn migrate_target(target: &DbTarget, progress: Progress) -> Result<ExitCode> {
    let mut connection = connect(&url(target)?).await?;
    let applied = migrate::apply(&mut connection).await?;
    for version in &applied {
        progress.line(format!("  ✓ {version}"));
    }
    progress.line(match applied.len() {
        0 => "Every migration was applied before.".to_owned(),
        count => format!("{count} applied. New tables are closed until `cargo xtask db policies`."),
    });
    connection.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 when something differs.
async fn check(target: &DbTarget, progress: Progress) -> Result<ExitCode> {
    let difference = access::check(&url(target)?).await?;
    if difference.is_empty() {
        progress.line("  ✓ policies and grants equal the files");
        return Ok(ExitCode::SUCCESS);
    }
    progress.line("The database's access differs from the files (- only in the files, + only in the database):");
    for line in &difference {
        progress.line(format!("  {line}"));
    }
    progress.line("`cargo xtask db policies` applies the files again.");
    Ok(ExitCode::FAILURE)
}

/// Makes the database anew inside the running cluster, and starts the services that use it again.
async fn reset(dir: &DirArgs, progress: Progress) -> Result<ExitCode> {
    let layout = dir.layout()?;
    let supervisor = Supervisor::new(&layout);
    let (Some(stack), Some(secrets)) = (Stack::load(&layout)?, Secrets::load(&layout)?) else {
        supervisor.stop_all().await?;
        down::purge(&layout)?;
        progress.line("  ✓ the data is gone; the next `cargo xtask up` makes it anew");
        return Ok(ExitCode::SUCCESS);
    };
    let (postgres, others): (Vec<_>, Vec<_>) = stack
        .services
        .iter()
        .cloned()
        .partition(|service| service.name == "postgres");
    anyhow::ensure!(
        !postgres.is_empty(),
        "this stack uses an existing Supabase; its data is not ours to throw away"
    );
    for running in supervisor
        .running()?
        .iter()
        .rev()
        .filter(|running| running.name != "postgres")
    {
        supervisor.stop(running, false).await?;
    }
    let mut connection = connect(&with_database(&stack.database_url, "template1")?).await?;
    for statement in [
        "drop database if exists postgres with (force)",
        "create database postgres",
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    up::make_database_ready(&stack.database_url, &secrets, Fresh::Yes, progress).await?;
    up::start_all(&supervisor, &others, progress).await?;
    Ok(ExitCode::SUCCESS)
}

async fn psql(args: &PsqlArgs) -> Result<ExitCode> {
    let stack = Stack::demand(&args.dir.layout()?)?;
    let pg = setup::installed(args.postgres.pg_config.as_deref())?;
    let mut url = reqwest::Url::parse(&stack.database_url)?;
    let password = url.password().unwrap_or_default().to_owned();
    // In the environment, where other users of the machine do not see it.
    _ = url.set_password(None);
    let mut psql = Command::new(pg.bindir.join("psql"));
    psql.arg(url.as_str()).args(&args.args);
    if !password.is_empty() {
        psql.env("PGPASSWORD", password);
    }
    let status = psql.status().await?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
