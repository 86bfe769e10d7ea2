//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::test::Version;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    about = "The local stack of AIAS, and its gates."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring what a fresh clone lacks: Postgres, npm packages, system packages.
    Setup(SetupArgs),
    /// Bring up the whole stack and run the demo through its public doors.
    Up(UpArgs),
    /// Stop exactly what `up` started.
    Down(DownArgs),
    /// Show what runs, where, and with which keys.
    Status(StatusArgs),
    /// Stop or start one service of a running stack.
    Service(ServiceArgs),
    /// Run the demo again on a running stack.
    Demo(DemoArgs),
    /// Work on the database of a stack, or on any other.
    Db(DbArgs),
    /// Build the Postgres extension, or write its install script.
    Extension(ExtensionArgs),
    /// Write `.sqlx`, which lets queries be checked without a database.
    Prepare(PrepareArgs),
    /// Make products and prices in Stripe what the plans are, and note the prices in the plans. The key is read from STRIPE_API_KEY.
    StripeSyncPlans(SyncPlansArgs),
    /// Run every gate.
    Test(TestArgs),
    /// Ask random requests as the people of one tenant, in search of anything of another.
    FuzzTenancy(FuzzArgs),
    /// Kill workers and Postgres while thousands of executions run, and prove that nothing was lost or repeated.
    CrashTest(CrashArgs),
    /// Measure, on a server of its own: each ratio has both its sides in one run.
    Bench(BenchArgs),
}

/// Which stack is meant.
#[derive(Debug, Clone, Args)]
pub struct DirArgs {
    /// Directory of the stack.
    #[arg(long, env = "AIAS_DIR", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl DirArgs {
    pub fn layout(&self) -> Result<Layout> {
        Layout::new(self.dir.as_deref().unwrap_or(&layout::tools()))
    }
}

#[derive(Debug, Clone, Default, Args)]
pub struct PostgresArgs {
    /// Use the Postgres of this pg_config (15 to 18) instead of the embedded one.
    #[arg(long, env = "AIAS_PG_CONFIG", value_name = "PATH")]
    pub pg_config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PortChoice {
    /// Any that are free.
    Auto,
}

#[derive(Debug, Clone, Args)]
pub struct PortArgs {
    /// Let all ports be chosen.
    #[arg(long, env = "AIAS_PORTS", value_name = "auto")]
    pub ports: Option<PortChoice>,
    /// The API's port; the others keep their distance from it.
    #[arg(long, env = "AIAS_PORT_BASE", value_name = "N", default_value_t = 54321, conflicts_with = "ports",
          value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port_base: u16,
    /// Port of PostgREST and Auth [default: 54321].
    #[arg(long, env = "AIAS_API_PORT", value_name = "PORT")]
    pub api_port: Option<u16>,
    /// Port of Postgres [default: 54322].
    #[arg(long, env = "AIAS_DATABASE_PORT", value_name = "PORT")]
    pub database_port: Option<u16>,
    /// Port of edge-api [default: 54330].
    #[arg(long, env = "AIAS_EDGE_PORT", value_name = "PORT")]
    pub edge_port: Option<u16>,
    /// Port of the stand-in for LLM providers [default: 54331].
    #[arg(long, env = "AIAS_LLM_PORT", value_name = "PORT")]
    pub llm_port: Option<u16>,
    /// Port of the demo's help desk [default: 54332].
    #[arg(long, env = "AIAS_HELPDESK_PORT", value_name = "PORT")]
    pub helpdesk_port: Option<u16>,
    /// Port of the worker's metrics [default: 54333].
    #[arg(long, env = "AIAS_METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// Port of the page that shows the stack's mails [default: 54324].
    #[arg(long, env = "AIAS_MAILBOX_PORT", value_name = "PORT")]
    pub mailbox_port: Option<u16>,
    /// Port that takes them [default: 54334].
    #[arg(long, env = "AIAS_SMTP_PORT", value_name = "PORT")]
    pub smtp_port: Option<u16>,
}

impl PortArgs {
    pub fn choose(&self) -> Result<Ports> {
        let mut ports = match self.ports {
            Some(PortChoice::Auto) => Ports::free()?,
            None => Ports::from_base(self.port_base),
        };
        for (port, wanted) in [
            (&mut ports.api, self.api_port),
            (&mut ports.database, self.database_port),
            (&mut ports.edge, self.edge_port),
            (&mut ports.llm, self.llm_port),
            (&mut ports.helpdesk, self.helpdesk_port),
            (&mut ports.metrics, self.metrics_port),
            (&mut ports.mailbox, self.mailbox_port),
            (&mut ports.smtp, self.smtp_port),
        ] {
            *port = wanted.unwrap_or(*port);
        }
        Ok(ports)
    }
}

/// A Supabase that is there already.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "An existing Supabase")]
pub struct ExistingArgs {
    /// Its database; only edge-api and a worker are started then.
    #[arg(
        long,
        env = "AIAS_EXISTING_DATABASE_URL",
        value_name = "URL",
        requires = "supabase_url",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// Its API, for instance https://abc.supabase.co.
    #[arg(
        long,
        env = "AIAS_SUPABASE_URL",
        value_name = "URL",
        requires = "database_url"
    )]
    pub supabase_url: Option<String>,
    /// Its publishable key, shown by `status` and given to clients.
    #[arg(long, env = "AIAS_PUBLISHABLE_KEY", value_name = "KEY")]
    pub publishable_key: Option<String>,
    /// The secret that signs its tokens (HS256); without it they are checked by its public keys.
    #[arg(
        long,
        env = "AIAS_EXISTING_JWT_SECRET",
        value_name = "SECRET",
        hide_env_values = true,
        conflicts_with = "jwks_url"
    )]
    pub jwt_secret: Option<String>,
    /// Where its public keys are [default: <SUPABASE_URL>/auth/v1/.well-known/jwks.json].
    #[arg(long, env = "AIAS_EXISTING_JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,
    /// Apply migrations and policies to it first.
    #[arg(long, requires = "database_url")]
    pub migrate: bool,
}

#[derive(Debug, Args)]
pub struct SetupArgs {
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// Bring what the gates need, too.
    #[arg(long)]
    pub tests: bool,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    #[command(flatten)]
    pub postgres: PostgresArgs,
    #[command(flatten)]
    pub ports: PortArgs,
    /// Leave the stack running and return.
    #[arg(long)]
    pub detach: bool,
    /// Do not run the demo.
    #[arg(long)]
    pub no_demo: bool,
    /// Use edge-api, the worker and the extension as they were built last.
    #[arg(long)]
    pub no_build: bool,
    #[command(flatten)]
    pub existing: ExistingArgs,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    /// Throw away the cluster, its keys and the logs as well.
    #[arg(long)]
    pub purge: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ServiceArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    pub action: ServiceAction,
    /// For instance worker or edge-api; `status` names them.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceAction {
    Start,
    Stop,
    /// SIGKILL, as a crash would be.
    Kill,
    Restart,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    /// Print executions, steps, statuses and timings as JSON, and nothing else, on stdout.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DbArgs {
    #[command(subcommand)]
    pub command: DbCommand,
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Apply the migrations that are missing.
    Migrate(DbTarget),
    /// Apply all policies again, in one transaction.
    Policies(DbTarget),
    /// Show how the database's policies and grants differ from the files.
    Check(DbTarget),
    /// Throw away the data of a stack and make it anew.
    Reset(DirArgs),
    /// Open psql as the superuser.
    Psql(PsqlArgs),
}

#[derive(Debug, Args)]
pub struct DbTarget {
    #[command(flatten)]
    pub dir: DirArgs,
    /// Another database than the stack's.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

#[derive(Debug, Args)]
pub struct SyncPlansArgs {
    #[command(flatten)]
    pub target: DbTarget,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct PsqlArgs {
    #[command(flatten)]
    pub dir: DirArgs,
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// Given to psql as they are.
    #[arg(last = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExtensionArgs {
    #[command(flatten)]
    pub postgres: PostgresArgs,
    pub action: ExtensionAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExtensionAction {
    /// Build it and install it into that Postgres.
    Build,
    /// Write the install script that is committed.
    Sql,
    /// Say whether the committed install script is what the code describes.
    Check,
}

#[derive(Debug, Args)]
pub struct PrepareArgs {
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// Only say whether `.sqlx` is up to date.
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Run only these.
    #[arg(long, value_delimiter = ',', value_name = "GATE")]
    pub only: Vec<GateName>,
    /// The versions of Postgres to run on; gates that want only one take the first.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "VERSION",
        default_value = "18,15"
    )]
    pub postgres: Vec<Version>,
    /// Stop at the first gate that fails.
    #[arg(long)]
    pub fail_fast: bool,
}

#[derive(Debug, Args)]
pub struct FuzzArgs {
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// How many requests to think up; each is asked up to three times.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub requests: u64,
    /// The same seed gives the same requests, as long as the schema is the same [default: another one each time].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Only this round of the seed, as a finding names it.
    #[arg(long, value_name = "N")]
    pub round: Option<u64>,
    /// Only these tables and functions.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
    /// Plant leaks, one after the other, and see each found.
    #[arg(long)]
    pub self_test: bool,
    /// Say with which codes requests were refused, and what differed by chance.
    #[arg(long)]
    pub codes: bool,
    /// Leave the stack up, to look at what was found.
    #[arg(long)]
    pub keep: bool,
    /// Use edge-api, the worker and the extension as they were built last.
    #[arg(long)]
    pub no_build: bool,
}

#[derive(Debug, Args)]
pub struct CrashArgs {
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// For how long executions are started and processes killed; then all that was started may end.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    pub seconds: u32,
    /// Worker processes at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,
    /// How many executions to start [default: 60 a second].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub executions: Option<u32>,
    /// Workers to kill a second.
    #[arg(long, default_value_t = 1.0)]
    pub kills_per_second: f64,
    /// How often to kill Postgres.
    #[arg(long, default_value_t = 2)]
    pub postgres_kills: u32,
    /// The same seed draws the same workflows, starts and kills [default: another one each time].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Compile the workers with optimisations.
    #[arg(long)]
    pub release: bool,
    /// Leave the server up, to look at what was found.
    #[arg(long)]
    pub keep: bool,
    /// Use the workers and the extension as they were built last.
    #[arg(long)]
    pub no_build: bool,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    pub name: BenchName,
    /// Print the report as one JSON object, and nothing else, on stdout.
    #[arg(long)]
    pub json: bool,
    /// Seconds for one side of one comparison in one round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchName {
    /// What a check of a workflow costs.
    Validate,
    /// What a take from a quota costs, with many sessions.
    Quota,
    /// What a rate limit costs.
    RateLimit,
    /// What row-level security and the audit log cost.
    Rls,
    /// What the workflow engine does in a second, and how long an execution takes.
    Engine,
    /// How long an execution takes on an idle system; a part of `engine`.
    Latency,
    /// What small tenants wait beside a big one's backlog.
    Fairness,
    /// What a snapshot that is held open costs the queue, and how large the queue gets.
    Bloat,
    /// What the door to models adds to a call.
    Gateway,
    /// What Stripe's webhook takes in a second beside plain inserts, and how many events a worker applies.
    Webhooks,
}

impl BenchName {
    /// Whether it measures the product's own tables, and not the extension alone.
    pub fn wants_migrations(self) -> bool {
        matches!(self, Self::Rls | Self::Gateway) || self.wants_worker()
    }

    /// Whether it runs a worker.
    pub fn wants_worker(self) -> bool {
        matches!(
            self,
            Self::Engine | Self::Latency | Self::Fairness | Self::Bloat | Self::Webhooks
        )
    }

    /// Whether it runs an `edge-api`.
    pub fn wants_edge(self) -> bool {
        matches!(self, Self::Gateway | Self::Webhooks)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum GateName {
    Fmt,
    Clippy,
    Unit,
    Extension,
    Prepare,
    Database,
    Isolation,
    Policies,
    Advisors,
    Migrations,
    Crash,
    E2e,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn one_port_moves_and_the_others_keep_their_distance() {
        let cli = Cli::parse_from(["xtask", "up", "--port-base", "41000", "--edge-port", "5000"]);
        let Command::Up(args) = cli.command else {
            panic!("`up` was read as another command")
        };
        let ports = args.ports.choose().unwrap();
        assert_eq!(
            (ports.api, ports.database, ports.edge, ports.llm),
            (41000, 41001, 5000, 41010)
        );
    }
}
