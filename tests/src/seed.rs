//! `seed.sql` and the names of what is in it.

use std::fs;

use sqlx::{AssertSqlSafe, Executor, PgPool};
use uuid::{Uuid, uuid};

use crate::{actor::Actor, jwt::Claims};

/// Tenant Alpha: plan `professional`, one agent, one active workflow, a member in every built-in role.
pub const ALPHA: Uuid = uuid!("01900000-0000-7000-8000-00000000a000");
/// Tenant Beta: plan `starter` with room for 2 executions and 3 workflows; nothing but an owner.
pub const BETA: Uuid = uuid!("01900000-0000-7000-8000-00000000b000");

/// Alpha's agent `greeter`, model `openai/gpt-4o-mini`.
pub const ALPHA_AGENT: Uuid = uuid!("01900000-0000-7000-8000-00000000a0a1");
/// Alpha's active workflow `Hello`: manual trigger `start`, `ai_processing` `greet`, transform `reply`.
pub const ALPHA_WORKFLOW: Uuid = uuid!("01900000-0000-7000-8000-00000000a0f1");

/// The password of every seeded account.
pub const PASSWORD: &str = "aias-local-password";

/// Somebody with a seeded account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    pub id: Uuid,
    pub email: &'static str,
}

pub const ALPHA_OWNER: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000a1"),
    "owner@alpha.test",
);
pub const ALPHA_ADMIN: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000a2"),
    "admin@alpha.test",
);
pub const ALPHA_EDITOR: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000a3"),
    "editor@alpha.test",
);
pub const ALPHA_VIEWER: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000a4"),
    "viewer@alpha.test",
);
pub const ALPHA_BILLING: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000a5"),
    "billing@alpha.test",
);
pub const BETA_OWNER: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000b1"),
    "owner@beta.test",
);
/// Has an account and belongs to no tenant.
pub const STRANGER: Person = person(
    uuid!("01900000-0000-7000-8000-0000000000c1"),
    "stranger@gamma.test",
);

/// Everybody in the seed.
pub const PEOPLE: [Person; 7] = [
    ALPHA_OWNER,
    ALPHA_ADMIN,
    ALPHA_EDITOR,
    ALPHA_VIEWER,
    ALPHA_BILLING,
    BETA_OWNER,
    STRANGER,
];

const fn person(id: Uuid, email: &'static str) -> Person {
    Person { id, email }
}

impl Person {
    /// What a token of this person says, good for an hour from now.
    pub fn claims(&self) -> Claims {
        Claims::of(self.id, self.email)
    }

    /// A token of this person, signed with the project's HS256 secret.
    pub fn token(&self, secret: &str) -> String {
        self.claims().sign(secret)
    }

    /// This person before the database, as PostgREST presents them.
    pub fn actor(&self) -> Actor {
        Actor::Authenticated(self.claims())
    }
}

/// Loads `seed.sql`, in one transaction. May be called again: rows that are there stay as they are.
///
/// # Errors
/// What Postgres says of the first statement that it refuses; nothing is changed then.
///
/// # Panics
/// When the file cannot be read: the tests then run outside the repository.
pub async fn apply(pool: &PgPool) -> Result<(), sqlx::Error> {
    let path = crate::repository().join("seed.sql");
    let sql =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut transaction = pool.begin().await?;
    transaction
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await?;
    transaction.commit().await
}
