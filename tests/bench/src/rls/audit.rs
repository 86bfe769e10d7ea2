//! Writes of sixteen sessions in one tenant with the audit log on, as a ratio to the same with it off.
//!
//! On is all of it: the triggers, and beside the writers what a worker does, which moves the entries into their chain.

use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::{Connection, PgConnection};

use super::request::{OWNER, script};
use crate::pgbench;
use crate::report::{Report, Want, median};
use crate::server::Server;

const SESSIONS: usize = 16;
const ROUNDS: usize = 5;

/// A thousand agents of one tenant to change.
const AGENTS: &str = "
    insert into public.ai_agents (tenant_id, id, name, slug, model)
    select '01940000-0000-7000-8000-000000000001', ('01940000-0000-7000-c000-' || lpad(n::text, 12, '0'))::uuid, 'Agent', 'agent-' || n, 'openai/gpt-4o-mini'
      from generate_series(1, 1000) n;
";
const ON: &str = "alter table public.ai_agents enable trigger _800_audit;";
const OFF: &str = "alter table public.ai_agents disable trigger _800_audit;";
/// Both sides begin with a table and a log of the same size, and without what the side before left to be cleaned.
const TIDY: &str = "
    delete from public.ai_agents where slug like 'new-%';
    vacuum public.ai_agents;
    vacuum audit.inbox;
    checkpoint;
";

const WRITES: [(&str, &str, &str); 2] = [
    (
        "update",
        "\\set n random(1, 1000)",
        "update public.ai_agents set description = 'changed ' || :n where tenant_id = '01940000-0000-7000-8000-000000000001' \
         and id = ('01940000-0000-7000-c000-' || lpad((:n)::text, 12, '0'))::uuid;",
    ),
    (
        "insert",
        "\\set n random(1, 1000)",
        "insert into public.ai_agents (tenant_id, name, slug, model) \
         values ('01940000-0000-7000-8000-000000000001', 'New', 'new-' || gen_random_uuid(), 'openai/gpt-4o-mini');",
    ),
];

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    server.psql(AGENTS).await?;
    for (name, variables, statement) in WRITES {
        let side = script(variables, "authenticated", OWNER, statement);
        let mut per_second: [Vec<f64>; 2] = Default::default();
        let mut ratios = Vec::new();
        let mut chained = Chained::default();
        for _ in 0..ROUNDS {
            server.psql(&format!("{OFF}{TIDY}")).await?;
            let off = pgbench::run(server, &side, SESSIONS).await?.per_second;
            server.psql(&format!("{ON}{TIDY}")).await?;
            let chainer = tokio::spawn(chain_until_aborted(server.session().await?));
            let on = pgbench::run(server, &side, SESSIONS).await?.per_second;
            chainer.abort();
            chained.add(drain(server).await?);
            ratios.push(on / off);
            per_second[0].push(on);
            per_second[1].push(off);
        }
        let [on, off] = per_second.map(median);
        report.figure(format!("{name}_16_sessions_audit_on_per_second"), on);
        report.figure(format!("{name}_16_sessions_audit_off_per_second"), off);
        report.figure(
            format!("{name}_left_to_chain_after_a_turn"),
            median(chained.left),
        );
        let ratio = median(ratios);
        eprintln!(
            "{name}, 16 sessions in one tenant: {on:.0} a second with the audit log, {off:.0} without: {ratio:.3}"
        );
        report.goal(
            format!("{name}_16_sessions_audit_on_to_off"),
            Want::AtLeast(0.8),
            ratio,
        );
    }
    let mut session = server.session().await?;
    let broken: i64 = sqlx::query_scalar(
        "select count(*) from audit.verify('01940000-0000-7000-8000-000000000001') where problem <> 'edited'",
    )
    .fetch_one(&mut session)
    .await?;
    ensure!(broken == 0, "the chain of the written tenant is broken");
    Ok(())
}

/// As a worker does: at once again while there is a full batch, and otherwise each half second.
async fn chain_until_aborted(mut session: PgConnection) -> Result<()> {
    loop {
        let chained: i32 = sqlx::query_scalar("select queue.chain_audit(5000)")
            .fetch_one(&mut session)
            .await?;
        if chained < 5000 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What a turn left in the inbox.
#[derive(Default)]
struct Chained {
    left: Vec<f64>,
}

impl Chained {
    fn add(&mut self, left: i64) {
        self.left.push(left as f64);
    }
}

/// Chains what is left, and answers how much that was.
async fn drain(server: &Server) -> Result<i64> {
    let mut session = server.session().await?;
    let left: i64 = sqlx::query_scalar("select count(*) from audit.inbox")
        .fetch_one(&mut session)
        .await?;
    loop {
        let chained: i32 = sqlx::query_scalar("select queue.chain_audit(5000)")
            .fetch_one(&mut session)
            .await?;
        let waiting: i64 = sqlx::query_scalar("select count(*) from audit.inbox")
            .fetch_one(&mut session)
            .await?;
        if waiting == 0 {
            session.close().await?;
            return Ok(left);
        }
        if chained == 0 {
            // The one that was stopped still holds its turn.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
