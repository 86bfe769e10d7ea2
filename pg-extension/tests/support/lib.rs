//! Databases with the extension, and how its refusals read.
//!
//! The server is the one that `AIAS_TEST_DATABASE_URL` names; its user is a superuser. Everything here panics when it fails: it serves tests only.

mod database;
mod own_server;
mod refusal;

pub mod load;
pub mod notes;

pub use database::Database;
pub use own_server::{OwnServer, send};
pub use refusal::{Refusal, refusal, sqlstate};

use uuid::Uuid;

/// What `aias.quota_status` says of one meter.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Status {
    pub meter: String,
    pub kind: String,
    pub quota_limit: Option<i64>,
    pub used: i64,
    pub reserved: i64,
    pub remaining: Option<i64>,
}

/// The status of a tenant's meter.
pub async fn status(connection: &mut sqlx::PgConnection, tenant: Uuid, meter: &str) -> Status {
    sqlx::query_as("select meter, kind, quota_limit, used, reserved, remaining from aias.quota_status($1) where meter = $2")
        .bind(tenant)
        .bind(meter)
        .fetch_one(connection)
        .await
        .expect("the meter has a status")
}

/// `aias.quota_set`, without an anchor.
pub async fn set(
    connection: &mut sqlx::PgConnection,
    tenant: Uuid,
    meter: &str,
    kind: &str,
    limit: Option<i64>,
) {
    sqlx::query("select aias.quota_set($1, $2, $3, $4)")
        .bind(tenant)
        .bind(meter)
        .bind(kind)
        .bind(limit)
        .execute(connection)
        .await
        .expect("the quota is set");
}

/// `aias.quota_take`.
pub async fn take(
    connection: &mut sqlx::PgConnection,
    tenant: Uuid,
    meter: &str,
    amount: i64,
) -> sqlx::Result<()> {
    sqlx::query("select aias.quota_take($1, $2, $3)")
        .bind(tenant)
        .bind(meter)
        .bind(amount)
        .execute(connection)
        .await
        .map(drop)
}

/// `aias.quota_give`.
pub async fn give(
    connection: &mut sqlx::PgConnection,
    tenant: Uuid,
    meter: &str,
    amount: i64,
) -> sqlx::Result<()> {
    sqlx::query("select aias.quota_give($1, $2, $3)")
        .bind(tenant)
        .bind(meter)
        .bind(amount)
        .execute(connection)
        .await
        .map(drop)
}

/// What must hold of a meter at any time between transactions: the slots' parts sum up to the limit and none is negative.
pub async fn assert_slots_add_up(connection: &mut sqlx::PgConnection, tenant: Uuid, meter: &str) {
    let (sum, limit, least, numbers): (Option<i64>, Option<i64>, Option<i64>, bool) =
        sqlx::query_as(
            "select sum(s.allowance)::bigint, max(u.quota_limit), min(s.allowance),
                min(s.slot) = 0 and max(s.slot) = count(*) - 1
           from aias.quota_slots s, aias.quota_usage($1) u
          where s.tenant_id = $1 and s.meter = $2 and u.meter = $2",
        )
        .bind(tenant)
        .bind(meter)
        .fetch_one(connection)
        .await
        .expect("the slots can be read");
    assert_eq!(sum, limit, "the slots' parts sum up to the limit");
    assert!(
        least.is_none_or(|least| least >= 0),
        "a slot's part is negative"
    );
    assert!(numbers, "the slots are numbered from 0 without a gap");
}
