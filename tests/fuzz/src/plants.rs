//! The proof of the proof: leaks are planted in the database, one after the other, and each has to be found by the detector that is there for it.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, PgPool};

use crate::round::{Detector, Finding};
use crate::session::{Effort, Session};

struct Plant {
    what: &'static str,
    /// The tables and functions that are asked, so that few requests are enough.
    only: &'static [&'static str],
    plant: &'static str,
    /// Functions that it replaces; they are put back as they were.
    replaces: &'static [&'static str],
    /// What else takes it out again.
    pull: &'static str,
    found_by: Detector,
}

const PLANTS: [Plant; 6] = [
    Plant {
        what: "a policy that lets everybody read a table",
        only: &["workflows"],
        plant: "create policy planted on public.workflows for select to authenticated using (true)",
        replaces: &[],
        pull: "drop policy planted on public.workflows",
        found_by: Detector::Leak,
    },
    Plant {
        what: "a policy that lets everybody change a table that they cannot read",
        only: &["ai_agents"],
        plant: "create policy planted on public.ai_agents for update to authenticated using (true) with check (true);
                create policy planted_too on public.ai_agents for delete to authenticated using (true)",
        replaces: &[],
        pull: "drop policy planted on public.ai_agents; drop policy planted_too on public.ai_agents",
        found_by: Detector::Change,
    },
    Plant {
        what: "a function that says whether an id exists",
        only: &["revoke_api_key"],
        plant: "create or replace function public.revoke_api_key(key_id uuid) returns public.api_keys
                language plpgsql security definer set search_path = '' as $$
                begin
                  if exists (select from public.api_keys k where k.id = key_id and k.tenant_id <> all (array(select private.own_tenants()))) then
                    perform private.refuse(403, 'forbidden', 'this key is not yours');
                  end if;
                  return private.revoke_api_key(key_id);
                end $$",
        replaces: &["public.revoke_api_key(uuid)"],
        pull: "",
        found_by: Detector::ToldApart,
    },
    Plant {
        what: "a unique constraint across tenants",
        only: &["ai_agents"],
        plant: "create unique index planted on public.ai_agents (id)",
        replaces: &[],
        pull: "drop index public.planted",
        found_by: Detector::ToldApart,
    },
    Plant {
        what: "a function that counts everybody's rows",
        only: &["my_tenants"],
        plant: "create or replace function public.my_tenants()
                returns table (tenant_id uuid, name text, subdomain text, status text, role text, permissions text[],
                  requires_second_factor boolean, second_factor_missing boolean, access_ends_at timestamptz)
                language sql stable security definer set search_path = '' as $$
                  select t.tenant_id, t.name || (select count(*) from public.workflows), t.subdomain, t.status, t.role, t.permissions,
                         t.requires_second_factor, t.second_factor_missing, t.access_ends_at from private.my_tenants() t
                $$",
        replaces: &["public.my_tenants()"],
        pull: "",
        found_by: Detector::Depends,
    },
    Plant {
        what: "a function that spends another tenant's requests",
        only: &["quota_status"],
        plant: "create or replace function public.quota_status(tenant_id uuid)
                returns table (meter text, kind text, quota_limit bigint, used bigint, reserved bigint, remaining bigint,
                  period_start timestamptz, resets_at timestamptz)
                language plpgsql volatile security definer set search_path = '' as $$
                begin
                  perform aias.rate_limit('tenant:' || $1, 1, interval '1 minute');
                  return query select * from private.quota_status($1);
                end $$",
        replaces: &["public.quota_status(uuid)"],
        pull: "",
        found_by: Detector::Change,
    },
];

const EFFORT: Effort = Effort {
    // At the most; mostly the first round is enough.
    requests: 4800,
    length: 15,
    repeats: 1,
};

/// Whether each was found.
pub async fn see_each_found(session: &Session) -> Result<bool> {
    let mut found = 0;
    for plant in &PLANTS {
        let seen = with(&session.world.database, plant, async || {
            let is_found = |findings: &[Finding]| {
                findings
                    .iter()
                    .any(|finding| finding.detector == plant.found_by)
            };
            session.rounds(EFFORT, plant.only, is_found).await
        })
        .await
        .with_context(|| plant.what.to_owned())?;
        let finding = seen
            .notes
            .findings
            .iter()
            .find(|finding| finding.detector == plant.found_by);
        match finding {
            Some(finding) => {
                found += 1;
                println!("  ✓ found: {}", plant.what);
                let first: String = finding
                    .what
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(160)
                    .collect();
                println!("      {first}");
            }
            None => println!("  ✗ NOT FOUND: {}", plant.what),
        }
    }
    println!("{found} of {} planted leaks were found", PLANTS.len());
    Ok(found == PLANTS.len())
}

/// Does something while it is planted, and takes it out again whatever came of that.
async fn with<T>(
    database: &PgPool,
    plant: &Plant,
    act: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let mut pull = vec![plant.pull.to_owned()];
    for function in plant.replaces {
        let definition: String = sqlx::query_scalar("select pg_get_functiondef($1::regprocedure)")
            .bind(function)
            .fetch_one(database)
            .await?;
        pull.push(definition);
    }
    run(database, plant.plant.to_owned())
        .await
        .context("planting")?;
    let outcome = act().await;
    for statement in pull.into_iter().filter(|statement| !statement.is_empty()) {
        run(database, statement)
            .await
            .context("pulling out what was planted")?;
    }
    outcome
}

async fn run(database: &PgPool, statements: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(database)
        .await?;
    Ok(())
}
