//! The usual reads and writes under row-level security, as a ratio to the same without it.

use anyhow::Result;

use super::request::{TRAVELLER, id, read, script};
use crate::pgbench;
use crate::report::{Report, Want, median};
use crate::server::Server;

/// Short turns and many of them: what else the machine does then falls on both sides.
const ROUNDS: usize = 7;

/// A role that policies do not hold, with the grants that the caller has.
pub const WITHOUT_POLICIES: &str = "
    create role bench_without_policies nologin bypassrls;
    grant usage on schema public, private, aias, auth to bench_without_policies;
    grant select, insert, update, delete on all tables in schema public to bench_without_policies;
    grant select on all tables in schema audit to bench_without_policies;
    grant execute on all functions in schema public, private, aias, auth to bench_without_policies;
    grant bench_without_policies to current_user;
";

struct Request {
    name: &'static str,
    want: Option<Want>,
    statement: String,
}

fn requests() -> [Request; 5] {
    let tenant = id('8', ":n");
    let workflow = id('a', "5 * :n");
    [
        Request {
            name: "page_of_50_executions",
            want: Some(Want::AtMost(1.1)),
            statement: read(&format!(
                "select id, workflow_id, workflow_version, status, started_by, created_at, started_at, finished_at \
                 from public.executions where tenant_id = {tenant} order by id desc limit 50 offset 0"
            )),
        },
        Request {
            name: "page_of_50_audit_entries",
            want: Some(Want::AtMost(1.1)),
            statement: read(&format!(
                "select id, at, actor_id, action, subject_id, before, after \
                 from public.audit_log where tenant_id = {tenant} order by at desc limit 50 offset 0"
            )),
        },
        Request {
            name: "workflows_of_a_tenant",
            want: None,
            statement: read(&format!(
                "select id, name, status, version, nodes, connections from public.workflows where tenant_id = {tenant} order by id limit 50 offset 0"
            )),
        },
        Request {
            name: "one_workflow",
            want: None,
            statement: read(&format!(
                "select * from public.workflows where tenant_id = {tenant} and id = {workflow} limit 1 offset 0"
            )),
        },
        Request {
            name: "insert_of_one_agent",
            want: Some(Want::AtMost(1.2)),
            statement: format!(
                "with source as (\
                   insert into public.ai_agents (tenant_id, name, slug, model) \
                   values ({tenant}, 'New', 'new-' || gen_random_uuid(), 'openai/gpt-4o-mini') returning *) \
                 select count(answer) as page_total, coalesce(json_agg(answer), '[]')::text as body from (select * from source) answer;"
            ),
        },
    ]
}

pub async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    for request in requests() {
        let variables = "\\set n 40 * random(1, 50)";
        let sides = ["authenticated", "bench_without_policies"]
            .map(|role| script(variables, role, TRAVELLER, &request.statement));
        // The first turn fills caches and is not counted.
        for side in &sides {
            pgbench::run(server, side, 1).await?;
        }
        let mut milliseconds: [Vec<f64>; 2] = Default::default();
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let mut round = [0.0; 2];
            for (side, time) in sides.iter().zip(&mut round) {
                // The median of thousands: what else the machine does meets few of them.
                *time = pgbench::run(server, side, 1).await?.p50_milliseconds;
            }
            ratios.push(round[0] / round[1]);
            for (times, time) in milliseconds.iter_mut().zip(round) {
                times.push(time);
            }
        }
        let [under, without] = milliseconds.map(median);
        let name = request.name;
        report.figure(format!("{name}_under_rls_ms"), under);
        report.figure(format!("{name}_without_ms"), without);
        // Of neighbours in time, so that a machine that slows down slows both.
        let ratio = median(ratios);
        eprintln!(
            "{name}: {under:.3} ms under row-level security, {without:.3} ms without: {ratio:.3}x"
        );
        let key = format!("{name}_rls_to_without");
        match request.want {
            Some(want) => report.goal(key, want, ratio),
            None => report.ratio(key, ratio),
        }
    }
    Ok(())
}
