//! A tenant without caps, and its workflows.

use anyhow::Result;

use crate::server::Server;

pub const TENANT: &str = "01940000-0000-7000-8000-000000000001";
pub const OWNER: &str = "01940000-0000-7000-9000-000000000001";
pub const THREE_STEPS: &str = "01940000-0000-7000-a000-000000000003";
pub const ONE_STEP: &str = "01940000-0000-7000-a000-000000000001";

/// Tenants `first` to `last`, each with an owner and both workflows: ids end with the tenant's number.
pub async fn make_tenants(server: &Server, first: u32, last: u32) -> Result<()> {
    let transforms = |count: usize| {
        let mut nodes = r#"{"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}}"#.to_owned();
        let mut connections = Vec::new();
        let mut before = "start".to_owned();
        for step in 1..=count {
            nodes += &format!(
                r#", {{"id": "step{step}", "type": "action", "position": {{"x": 0, "y": 0}}, "config": {{"kind": "transform", "output": {{"sum": "{{{{ input.number + {step} }}}}"}}}}}}"#
            );
            connections.push(format!(
                r#"{{"source": "{before}", "target": "step{step}"}}"#
            ));
            before = format!("step{step}");
        }
        format!("'[{nodes}]', '[{}]'", connections.join(", "))
    };
    let script = format!(
        "
        insert into auth.users (id, email)
        select ('01940000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'owner' || n || '@bench.test' from generate_series({first}, {last}) n;
        insert into public.tenants (id, name, subdomain, plan_id, limit_overrides)
        select ('01940000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Tenant ' || n, 'bench-' || n, p.id,
               '{{\"concurrent_executions\": null, \"requests_per_minute\": null}}'
          from generate_series({first}, {last}) n join public.subscription_plans p on p.key = 'enterprise';
        insert into public.roles (tenant_id, key, name, permissions, built_in)
        select ('01940000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, r.key, r.name, r.permissions, true
          from generate_series({first}, {last}) n cross join private.built_in_roles r;
        insert into public.memberships (tenant_id, user_id, role)
        select ('01940000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('01940000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'owner'
          from generate_series({first}, {last}) n;
        insert into public.workflows (tenant_id, id, name, status, nodes, connections)
        select ('01940000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('01940000-0000-7000-a000-' || lpad((2 * n - 1)::text, 12, '0'))::uuid,
               'One step', 'active', {one}
          from generate_series({first}, {last}) n;
        insert into public.workflows (tenant_id, id, name, status, nodes, connections)
        select ('01940000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ('01940000-0000-7000-a000-' || lpad((2 * n + 1)::text, 12, '0'))::uuid,
               'Three steps', 'active', {three}
          from generate_series({first}, {last}) n where n = 1;
        ",
        one = transforms(1),
        three = transforms(3),
    );
    server.psql(&script).await
}

pub async fn make(server: &Server) -> Result<()> {
    make_tenants(server, 1, 1).await
}

/// Starts so many executions of a workflow, in batches, by the RPC.
pub async fn enqueue(server: &Server, workflow: &str, executions: i64) -> Result<()> {
    let calls = executions / 5_000;
    server
        .psql(&format!(
            "select count(public.start_executions('{workflow}', inputs)) from (
               select set_config('role', 'authenticated', false), set_config('request.jwt.claims', '{{\"sub\": \"{OWNER}\", \"role\": \"authenticated\"}}', false)
             ) as caller, lateral (
               select array(select jsonb_build_object('number', n) from generate_series(1, 5000) n) as inputs from generate_series(1, {calls})
             ) as batch;
             reset role;
             vacuum (analyze) public.executions, queue.jobs;
             checkpoint;"
        ))
        .await
}

/// Everything that has run.
pub async fn forget(server: &Server) -> Result<()> {
    server
        .psql("truncate public.executions; truncate queue.workers; vacuum (analyze); checkpoint;")
        .await
}
