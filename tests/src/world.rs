//! `fixtures/full_tenants.sql` and the names of what is in it: tenants that own a row in every table there is for them.

use std::fs;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use uuid::Uuid;

use crate::actor::Actor;
use crate::jwt::Claims;

/// One of the tenants. They differ in what is in force for them, and in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    number: u16,
    pub name: &'static str,
    pub status: Status,
    pub requires_second_factor: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active,
    Suspended,
    /// Less than 30 days ago.
    Cancelled,
    /// More than 30 days ago.
    Over,
}

pub const ALPHA: Tenant = tenant(1, "alpha", Status::Active, false);
pub const BETA: Tenant = tenant(2, "beta", Status::Active, false);
pub const FROZEN: Tenant = tenant(3, "frozen", Status::Suspended, false);
pub const CLOSED: Tenant = tenant(4, "closed", Status::Cancelled, false);
pub const OVER: Tenant = tenant(5, "over", Status::Over, false);
pub const GUARDED: Tenant = tenant(6, "guarded", Status::Active, true);
/// Suspended, and asks for a second factor.
pub const BOTH: Tenant = tenant(7, "both", Status::Suspended, true);

pub const TENANTS: [Tenant; 7] = [ALPHA, BETA, FROZEN, CLOSED, OVER, GUARDED, BOTH];

const fn tenant(
    number: u16,
    name: &'static str,
    status: Status,
    requires_second_factor: bool,
) -> Tenant {
    Tenant {
        number,
        name,
        status,
        requires_second_factor,
    }
}

/// What a tenant owns, by the number that its id ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Thing {
    Owner = 11,
    Admin = 12,
    Editor = 13,
    Viewer = 14,
    Billing = 15,
    /// Has the tenant's own role `auditor`: reads executions and the log.
    Auditor = 16,
    /// Has the tenant's own role `blind`: writes, and reads nothing.
    Blind = 17,
    /// Was a member.
    Former = 18,
    KeyWithAllScopes = 21,
    /// `agents.read`, `agents.write`, `members.read`.
    KeyWithFewScopes = 22,
    RevokedKey = 23,
    ExpiredKey = 24,
    Agent = 30,
    SecondAgent = 31,
    /// A draft.
    Listing = 32,
    /// Active: version 1 is published.
    Workflow = 40,
    Draft = 41,
    /// Has a job.
    QueuedExecution = 50,
    /// Has one step.
    FinishedExecution = 51,
    Usage = 60,
    PendingInvitation = 70,
    AcceptedInvitation = 71,
    Domain = 80,
    Export = 90,
}

impl Tenant {
    pub fn id(self) -> Uuid {
        id(self.number, 0)
    }

    /// The id of what it owns.
    pub fn of(self, thing: Thing) -> Uuid {
        id(self.number, thing as u8)
    }

    /// One of its people, signed in by one factor.
    pub fn person(self, thing: Thing) -> Actor {
        Actor::Authenticated(self.claims(thing))
    }

    /// One of its people, signed in by two factors.
    pub fn person_with_second_factor(self, thing: Thing) -> Actor {
        Actor::Authenticated(self.claims(thing).with_second_factor())
    }

    /// One of its API keys, as edge-api presents it.
    pub fn key(self, thing: Thing) -> Actor {
        Actor::key(self.of(thing), self.id())
    }

    /// The token of the pending invitation, which is to `former@<tenant>.test` in the role editor.
    pub fn invitation_token(self) -> String {
        format!("a token of {}", self.name)
    }

    fn claims(self, thing: Thing) -> Claims {
        let role = format!("{thing:?}").to_lowercase();
        Claims::of(self.of(thing), &format!("{role}@{}.test", self.name))
    }
}

/// Has an account and belongs to no tenant.
pub fn stranger() -> Actor {
    Actor::Authenticated(Claims::of(id(0, 11), "stranger@nowhere.test"))
}

fn id(tenant: u16, thing: u8) -> Uuid {
    format!("01930000-0000-7000-8000-{tenant:04}{thing:08}")
        .parse()
        .expect("digits in the shape of a UUID")
}

/// Loads the fixture, in one transaction, into a database with migrations and without a seed.
///
/// # Errors
/// What Postgres says of the first statement that it refuses; nothing is changed then.
///
/// # Panics
/// When the file cannot be read: the tests then run outside the repository.
pub async fn apply(pool: &PgPool) -> Result<(), sqlx::Error> {
    let path = crate::repository().join("tests/fixtures/full_tenants.sql");
    let sql =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut transaction = pool.begin().await?;
    transaction
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await?;
    transaction.commit().await
}
