//! A whole stack in a directory of its own, and the clients that customers use.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::code::demand;
use super::collector::Collector;
use super::counts::Counts;
use super::{Context, keys};
use crate::build::{self, Purpose};
use crate::database::access;
use crate::down;
use crate::fuzz;
use crate::layout::{self, Layout};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::secrets::SEEDED_PASSWORD;
use crate::services::Addresses;
use crate::services::localstripe::Localstripe;
use crate::setup;
use crate::stack::Stack;
use crate::supervisor::Supervisor;
use crate::up;

/// Milliseconds. They take a few minutes together; without a limit, one that hangs would never be named.
const NODE_LIMIT: &str = "--test-timeout=900000";

pub async fn run(context: &mut Context) -> Result<Counts> {
    let progress = context.progress;
    stop().await?;
    let layout = layout()?;
    let python = setup::python_packages(progress).await?;
    let collector = Collector::start().await?;
    let stripe = Localstripe::new()?;
    let mut environment = stripe.environment();
    environment.insert(
        "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
        collector.address.clone(),
    );
    let options = up::Options {
        pg_config: None,
        ports: Ports::free()?,
        build: Some(Purpose::Tests),
        disposable: true,
        environment,
    };
    let stack = up::bring_up_local(&layout, &options, progress).await?;
    let stage = Stage {
        stack: &stack,
        layout: &layout,
        collector: &collector,
        stripe: &stripe,
        python: &python,
        xtask: &context.xtask,
    };
    let outcome = stage.play(progress).await;
    down::stop(&layout, progress).await?;
    let counts = outcome?;
    stop().await?;
    Ok(counts)
}

/// A stack that runs, and what stands beside it.
struct Stage<'a> {
    stack: &'a Stack,
    layout: &'a Layout,
    collector: &'a Collector,
    stripe: &'a Localstripe,
    /// One that has the packages of the tests.
    python: &'a Path,
    xtask: &'a Path,
}

impl Stage<'_> {
    async fn play(&self, progress: Progress) -> Result<Counts> {
        let Self {
            stack,
            layout,
            collector,
            ..
        } = *self;
        Supervisor::new(layout)
            .start(&self.stripe.service(self.python))
            .await?;
        crate::demo::show(stack, progress)
            .await
            .context("the demo")?;
        let environment = self.environment();
        let mut counts = Counts::default();
        let mut failed = Vec::new();

        let mut node = Command::new("node");
        node.current_dir(layout::root())
            .args(["--test", "--test-reporter=spec", NODE_LIMIT])
            .args(files("tests/e2e/supabase-js", "mjs")?);
        node.envs(environment.clone());
        match demand(&mut node, "supabase-js").await {
            Ok(output) => counts.add(&Counts::node(&output)),
            Err(error) => failed.push(error.to_string()),
        }

        let mut python = Command::new(self.python);
        python.current_dir(layout::root()).args([
            "-m",
            "unittest",
            "discover",
            "--verbose",
            "--start-directory",
            "tests/e2e/python",
        ]);
        // Nothing is left in a folder that is under version control.
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python.envs(environment.clone());
        match demand(&mut python, "Python").await {
            Ok(output) => counts.add(&Counts::unittest(&output)),
            Err(error) => failed.push(error.to_string()),
        }

        let mut rust = build::tests();
        rust.args(["-E", "binary_id(tests::e2e)"]);
        rust.envs(environment);
        match demand(&mut rust, "the Rust clients").await {
            Ok(output) => counts.add(&Counts::nextest(&output)),
            Err(error) => failed.push(error.to_string()),
        }

        build::programs(&[fuzz::FUZZER], Purpose::Tests, progress).await?;
        match fuzz::run_short(stack, layout).await {
            Ok(checks) => counts.add(&Counts::of("checks", checks)),
            Err(error) => failed.push(format!("{error:#}")),
        }
        ensure!(
            failed.is_empty(),
            "end-to-end tests failed: {}",
            failed.join(", ")
        );

        let difference = access::check(&stack.database_url).await?;
        ensure!(
            difference.is_empty(),
            "after all this, access differs from the files:\n{}",
            difference.join("\n")
        );
        counts.add(&Counts::of("checks", 1));
        keys::search(stack, layout, collector).await?;
        // None found, and what was planted is.
        counts.add(&Counts::of("checks", 2));
        Ok(counts)
    }

    /// What the end-to-end tests read; see tests/README.md.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let Self {
            stack,
            layout,
            stripe,
            ..
        } = *self;
        let addresses = Addresses::local(&stack.ports);
        vec![
            ("AIAS_E2E_API_URL", stack.supabase_url.clone()),
            ("AIAS_E2E_EDGE_URL", stack.edge_url.clone()),
            (
                "AIAS_E2E_PUBLISHABLE_KEY",
                stack.publishable_key.clone().unwrap_or_default(),
            ),
            (
                "AIAS_E2E_SECRET_KEY",
                stack.secret_key.clone().unwrap_or_default(),
            ),
            (
                "AIAS_E2E_JWT_SECRET",
                stack.jwt_secret.clone().unwrap_or_default(),
            ),
            ("AIAS_E2E_PASSWORD", SEEDED_PASSWORD.to_owned()),
            ("AIAS_E2E_LLM_URL", addresses.llm),
            ("AIAS_E2E_HELPDESK_URL", addresses.helpdesk),
            ("AIAS_E2E_MAILBOX_URL", addresses.mailbox),
            ("AIAS_E2E_STRIPE_URL", stripe.address()),
            ("AIAS_E2E_STRIPE_KEY", stripe.key.clone()),
            (
                "AIAS_E2E_STRIPE_WEBHOOK_SECRET",
                stripe.webhook_secret.clone(),
            ),
            ("AIAS_E2E_DATABASE_URL", stack.database_url.clone()),
            // Where suites say which keys, secrets and passwords they used.
            (
                "AIAS_E2E_KEYS_USED",
                keys::used(layout).display().to_string(),
            ),
            // One that has OpenAI's SDK.
            ("AIAS_E2E_PYTHON", self.python.display().to_string()),
            // To stop and start services: `$AIAS_E2E_XTASK service kill worker --dir $AIAS_E2E_DIR`.
            ("AIAS_E2E_XTASK", self.xtask.display().to_string()),
            ("AIAS_E2E_DIR", layout.dir().display().to_string()),
        ]
    }
}

fn files(directory: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(layout::root().join(directory))
        .with_context(|| format!("reading {directory}"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.to_string_lossy()
                .ends_with(&format!(".test.{extension}"))
        })
        .collect();
    files.sort();
    ensure!(
        !files.is_empty(),
        "there are no end-to-end tests in {directory}"
    );
    Ok(files)
}

/// Stops the stack of this gate, whoever left it, and throws it away.
pub async fn stop() -> Result<()> {
    let layout = layout()?;
    Supervisor::new(&layout).stop_all().await?;
    down::purge(&layout)
}

fn layout() -> Result<Layout> {
    Layout::new(&layout::tools().join("test/e2e"))
}
