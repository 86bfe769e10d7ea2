//! What row-level security and the audit log cost: the same requests with and without them, by turns.
//!
//! Requests are transactions as PostgREST makes them: role, claims and headers are set, then one statement that answers JSON
//! (<https://docs.postgrest.org/en/stable/references/transactions.html>). The side without row-level security differs in one word, the
//! role, which has `bypassrls`.

mod audit;
mod policies;
mod request;

use anyhow::Result;

use crate::report::Report;
use crate::server::Server;

/// The world of these measurements: 2,000 tenants, 1,000,000 executions, and somebody who is in 50 of the tenants.
const WORLD: &str = include_str!("../../../fixtures/many_tenants.sql");

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    eprintln!("making 2,000 tenants with 1,000,000 executions");
    make_world(server).await?;
    policies::measure(server, report).await?;
    audit::measure(server, report).await
}

async fn make_world(server: &Server) -> Result<()> {
    server.psql(&format!("begin;\n{WORLD}\ncommit;")).await?;
    server.psql(AFTERWARDS).await?;
    server.psql(policies::WITHOUT_POLICIES).await
}

/// What triggers and autovacuum would have done by and by.
const AFTERWARDS: &str = "
    insert into audit.heads (tenant_id, seq, hash) select tenant_id, max(seq), sha256('') from audit.log group by tenant_id;
    vacuum (analyze);
    checkpoint;
";
