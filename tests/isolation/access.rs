//! What is in force for everybody is what it is derived from, whatever many sessions do to members, roles, keys and tenants at once.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool};
use tests::world::{self, ALPHA, BETA, Tenant, Thing};
use uuid::Uuid;

const SESSIONS: u64 = 8;
const TRANSACTIONS: usize = 50;
const SEED: u64 = 4;

const PEOPLE: [Thing; 8] = [
    Thing::Owner,
    Thing::Admin,
    Thing::Editor,
    Thing::Viewer,
    Thing::Billing,
    Thing::Auditor,
    Thing::Blind,
    Thing::Former,
];
const KEYS: [Thing; 4] = [
    Thing::KeyWithAllScopes,
    Thing::KeyWithFewScopes,
    Thing::RevokedKey,
    Thing::ExpiredKey,
];
const ROLES: [&str; 7] = [
    "owner", "admin", "editor", "viewer", "billing", "auditor", "spare",
];
const PERMISSIONS: [&str; 5] = [
    "audit.read",
    "roles.manage",
    "workflows.write",
    "executions.read",
    "members.manage",
];

#[sqlx::test(migrations = "../migrations")]
async fn access_is_what_it_is_derived_from_after_many_sessions_at_once(pool: PgPool) {
    tests::policies::apply(&pool).await.expect("policies apply");
    world::apply(&pool).await.expect("the world is made");
    let mut sessions = tokio::task::JoinSet::new();
    for number in 0..SESSIONS {
        let options = (*pool.connect_options()).clone();
        sessions.spawn(async move {
            let mut connection = options.connect().await.expect("a connection");
            // Several changes in a transaction wait for each other in circles: found out sooner than after the usual second.
            execute(&mut connection, "set deadlock_timeout = '20ms'")
                .await
                .expect("a setting");
            let mut random = StdRng::seed_from_u64(SEED * 1000 + number);
            let mut committed = 0;
            for _ in 0..TRANSACTIONS {
                if transaction(&mut connection, &mut random).await {
                    committed += 1;
                    all_is_well(&mut connection).await;
                }
            }
            committed
        });
    }
    let mut committed = 0;
    while let Some(ended) = sessions.join_next().await {
        committed += ended.expect("a session ends well");
    }
    assert!(
        committed > 50,
        "only {committed} transactions have committed: nothing is proven"
    );
}

/// At this instant, in the middle of what the others do: a later change might make good what an earlier one has spoilt.
async fn all_is_well(connection: &mut PgConnection) {
    let differing: Vec<(Uuid, Uuid, String, String)> =
        sqlx::query_as("select tenant_id, principal, kept, derived from private.access_audit()")
            .fetch_all(&mut *connection)
            .await
            .expect("an audit");
    assert!(differing.is_empty(), "seed {SEED}: {differing:#?}");
    let orphans: i64 = sqlx::query_scalar(
        "select count(*) from public.tenants t
          where not exists (select from public.memberships m where m.tenant_id = t.id and m.role = 'owner')",
    )
    .fetch_one(connection)
    .await
    .expect("a count");
    assert_eq!(orphans, 0, "seed {SEED}: a tenant has no owner");
}

/// Some changes by the operator and by owners; a part of it is rolled back. Says whether it has committed.
async fn transaction(connection: &mut PgConnection, random: &mut StdRng) -> bool {
    let isolation = if random.random_bool(0.25) {
        "repeatable read"
    } else {
        "read committed"
    };
    execute(connection, &format!("begin isolation level {isolation}"))
        .await
        .expect("a transaction");
    for _ in 0..random.random_range(1..4) {
        let statement = statement(random);
        let taken_back = random.random_bool(0.1);
        if taken_back {
            execute(connection, "savepoint before")
                .await
                .expect("a savepoint");
        }
        if let Err(error) = execute(connection, &statement).await {
            let error = error
                .as_database_error()
                .expect("an answer of the database");
            let error: &PgDatabaseError = error.downcast_ref();
            // Refused; a duplicate; a snapshot that is too old; chosen to end a deadlock of statements over both tenants.
            assert!(
                matches!(
                    error.code(),
                    "PGRST" | "42501" | "23505" | "23503" | "40001" | "40P01"
                ),
                "{statement}: {error}"
            );
            execute(connection, "rollback").await.expect("the end");
            return false;
        }
        if taken_back {
            execute(connection, "rollback to savepoint before")
                .await
                .expect("taken back");
        }
    }
    let kept = random.random_bool(0.8);
    let end = if kept { "commit" } else { "rollback" };
    match execute(connection, end).await {
        Ok(()) => kept,
        Err(error) => panic!("{end}: {error}"),
    }
}

fn statement(random: &mut StdRng) -> String {
    let tenant = one(random, &[ALPHA, BETA]);
    let id = tenant.id();
    let person = tenant.of(one(random, &PEOPLE));
    let key = tenant.of(one(random, &KEYS));
    let role = one(random, &ROLES);
    let permissions: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|_| random.random_bool(0.5))
        .collect();
    let permissions = permissions.join(",");
    let scopes = format!("agents.read,{permissions}");
    let scopes = scopes.trim_end_matches(',');
    match random.random_range(0..16) {
        0 | 1 => format!("insert into public.memberships (tenant_id, user_id, role) values ('{id}', '{person}', '{role}')"),
        2 => format!("delete from public.memberships where tenant_id = '{id}' and user_id = '{person}'"),
        3 => format!("update public.memberships set role = '{role}' where tenant_id = '{id}' and user_id = '{person}'"),
        // In both tenants by one statement.
        4 => format!("update public.memberships set role = '{role}' where role in ('viewer', 'auditor', 'spare')"),
        5 | 6 => format!("update public.roles set permissions = '{{{permissions}}}' where tenant_id = '{id}' and key in ('auditor', 'spare', '{role}')"),
        7 => format!("update public.tenants set status = '{}' where id = '{id}'", one(random, &["active", "active", "suspended", "cancelled"])),
        8 => format!("update public.tenants set requires_second_factor = not requires_second_factor where id = '{id}'"),
        9 => format!("update public.api_keys set scopes = '{{{scopes}}}' where tenant_id = '{id}' and id = '{key}'"),
        10 => format!("update public.api_keys set revoked_at = case when revoked_at is null then now() end where tenant_id = '{id}' and id = '{key}'"),
        11 => format!("update public.api_keys set expires_at = now() + interval '1 hour' where tenant_id = '{id}'"),
        12 => format!(
            "insert into public.api_keys (tenant_id, name, prefix, scopes) values ('{id}', 'Made', 'aias_0', '{{agents.read}}');
             delete from public.api_keys where tenant_id = '{id}' and name = 'Made' and created_at < now()"
        ),
        13 => as_owner(tenant, &format!("select * from public.change_member_role('{id}', '{person}', '{role}')")),
        14 => as_owner(tenant, &format!("select public.remove_member('{id}', '{person}')")),
        _ => as_owner(tenant, &format!("select * from public.transfer_ownership('{id}', '{person}')")),
    }
}

/// By RPC, as a frontend does.
fn as_owner(tenant: Tenant, statement: &str) -> String {
    let owner = tenant.person_with_second_factor(Thing::Owner);
    format!(
        "select set_config('request.jwt.claims', '{}', true); set local role authenticated; {statement}; reset role;
         select set_config('request.jwt.claims', '', true)",
        owner.claims()
    )
}

fn one<T: Copy>(random: &mut StdRng, among: &[T]) -> T {
    *among.choose(random).expect("one of some")
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .map(drop)
}
