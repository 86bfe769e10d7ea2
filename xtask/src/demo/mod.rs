//! The main job, as a customer would do it: through Auth, PostgREST and edge-api, never through the database.
//!
//! A tenant's owner signs in, draws a workflow on an AI agent, activates it, starts it for three support tickets and watches each step.
//! Then the doors are tried that must not open.

mod doors;
mod http;
mod print;
mod report;
mod scene;
mod session;
mod stream;
mod tickets;

use anyhow::{Context, Result, ensure};

use crate::cli::DemoArgs;
use crate::progress::{Lines, Progress};
use crate::secrets::SEEDED_PASSWORD;
use crate::stack::Stack;
use print::Printer;
use report::Report;
use session::Session;

/// `cargo xtask demo`.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let stack = Stack::demand(&args.dir.layout()?)?;
    // With --json, what a person reads goes to stderr, and stdout holds one JSON object.
    let progress = Progress::new(if args.json {
        Lines::Stderr
    } else {
        Lines::Stdout
    });
    let report = play(&stack, progress).await?;
    if args.json {
        Progress::new(Lines::Stdout).line(serde_json::to_string_pretty(&report)?);
    }
    Ok(())
}

/// The demo as a part of `up`.
pub async fn show(stack: &Stack, progress: Progress) -> Result<()> {
    play(stack, progress).await.map(drop)
}

async fn play(stack: &Stack, progress: Progress) -> Result<Report> {
    ensure!(
        stack.local,
        "the demo signs in seeded users, and an existing Supabase has none"
    );
    let printer = Printer::new(progress);
    let owner = Session::sign_in(stack, "owner@alpha.test", SEEDED_PASSWORD).await?;
    printer.heading("A tenant's workflow, from drawing to rows");
    printer.done(&format!("signed in {} through Auth", owner.email));

    let tenant = owner.only_tenant().await?;
    let agent = scene::save_agent(&owner, &tenant).await?;
    printer.done(&format!(
        "saved the agent \"{}\" ({}) through PostgREST",
        agent.name, agent.model
    ));
    let workflow = scene::save_workflow(&owner, &tenant, &agent, stack).await?;
    printer.done(&format!(
        "saved the workflow \"{}\" of {} nodes",
        workflow.name, workflow.nodes
    ));
    let version = owner
        .activate(&workflow.id)
        .await
        .context("activating the workflow")?;
    printer.done(&format!(
        "activated it: checked inside Postgres, published as version {version}"
    ));

    let executions = tickets::run(&owner, &workflow.id, &printer).await?;
    let doors = doors::try_all(stack, &owner, &tenant, &executions, &printer).await?;
    Ok(Report {
        tenant,
        user: owner.email.clone(),
        workflow,
        version,
        executions,
        doors,
    })
}
