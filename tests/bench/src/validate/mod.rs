//! What a check of a workflow costs: beside reading the same JSON, beside a check in SQL that knows only the graph, and beside
//! copying rows in without any check.

mod call;
mod copy;
mod sides;
mod workflows;

use anyhow::{Result, ensure};

use crate::report::Report;
use crate::server::Server;
use sides::Sides;

const SIZES: [usize; 4] = [5, 20, 100, 500];

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    server.run(include_str!("functions.sql")).await?;
    for size in SIZES {
        let workflow = workflows::of(size, 0);
        let problems = workflow::problems(&workflow.nodes, &workflow.connections);
        ensure!(
            problems.is_empty(),
            "the workflow of {size} nodes is not sound: {problems:?}"
        );
        let mut sides = Sides::new(server, &workflow).await?;
        call::compare(server, report, size, &mut sides).await?;
    }
    copy::compare(server, report).await
}
