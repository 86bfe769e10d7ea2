use std::fmt::Write;
use std::ops::{Deref, DerefMut};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::{Database, not_the_callers_fault};
use crate::auth::{Caller, Principal};
use crate::error::ApiError;
use crate::request_id;

/// Whether a transaction may change anything. GET may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// What a transaction sees of what others commit meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshots {
    EachStatements,
    /// Nothing: repeatable read.
    One,
}

/// Whose rights a transaction has. The claims are the caller's in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Authenticated,
    /// This service's own login: it reads no table, and may call the functions of schema `edge`.
    Login,
}

/// A transaction as its caller: the only way from this service to user data.
///
/// It does what PostgREST does (<https://docs.postgrest.org/en/stable/references/transactions.html>): role and claims are set for this
/// transaction alone, so nothing of one caller is left on the connection for the next. Rolled back unless committed.
pub struct CallerTransaction {
    transaction: Transaction<'static, Postgres>,
}

impl CallerTransaction {
    pub(super) async fn begin(
        database: &Database,
        caller: &Caller,
        access: Access,
    ) -> Result<Self, ApiError> {
        let snapshots = Snapshots::EachStatements;
        Self::begin_by(database, caller, access, Role::Authenticated, snapshots).await
    }

    pub(super) async fn begin_as_service(
        database: &Database,
        caller: &Caller,
        access: Access,
        snapshots: Snapshots,
    ) -> Result<Self, ApiError> {
        Self::begin_by(database, caller, access, Role::Login, snapshots).await
    }

    async fn begin_by(
        database: &Database,
        caller: &Caller,
        access: Access,
        role: Role,
        snapshots: Snapshots,
    ) -> Result<Self, ApiError> {
        let timeout_ms = database.statement_timeout.as_millis();
        let preamble = preamble(caller, access, role, snapshots, timeout_ms);
        let pool = database.pool.clone();
        // In a task of its own, which is seen through. When a client goes away the request is dropped wherever it stands, and sqlx 0.9 does
        // not roll back a transaction that has begun without its having heard of it: the connection would go back to the pool with the
        // caller's role and claims on it. A transaction that nobody receives is dropped by the task, and rolled back.
        let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(preamble)).await });
        let begun = begun
            .await
            .map_err(|error| ApiError::Internal(anyhow::Error::from(error)))?;
        let transaction = begun.map_err(|error| {
            not_the_callers_fault(error, "beginning a transaction as the caller")
        })?;
        Ok(Self { transaction })
    }

    pub async fn commit(self) -> Result<(), ApiError> {
        Ok(self.transaction.commit().await?)
    }
}

impl Deref for CallerTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for CallerTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

/// All of it in one message, hence one round trip; such a message takes no parameters. What comes from outside travels as hex, so that
/// no character of it can mean anything to the parser, whatever the server's settings for string literals are.
///
/// `begin` comes last, and makes one transaction of all that the message holds
/// (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT>). Were it first, whatever the server
/// refuses after it would leave a failed transaction open, which sqlx 0.9 does not roll back either: the next caller would meet it.
///
/// `request.jwt.claims` is today's form; the three single claims are what older `auth.uid()`, `auth.role()` and `auth.email()` read. An
/// API key has neither user id nor e-mail address. They are set all the same, to nothing. `request.headers` holds of all headers only
/// the request's id, by which the audit log names the request.
fn preamble(
    caller: &Caller,
    access: Access,
    role: Role,
    snapshots: Snapshots,
    timeout_ms: u128,
) -> String {
    // Whoever makes the whole database read only means us, too: hence no `read write`.
    let begin = match access {
        Access::ReadOnly => "begin read only",
        Access::ReadWrite => "begin",
    };
    // Said before the first snapshot is taken, by what the message itself selects.
    let isolation = match snapshots {
        Snapshots::EachStatements => "",
        Snapshots::One => "set transaction isolation level repeatable read; ",
    };
    let role = match role {
        Role::Authenticated => "set local role authenticated; ",
        Role::Login => "",
    };
    let (user_id, email) = match &caller.principal {
        Principal::Person { user_id, email } => (user_id.to_string(), hex(email)),
        Principal::ApiKey { .. } => (String::new(), String::new()),
    };
    let claims = hex(&caller.claims);
    let headers = hex(&request_headers());
    format!(
        "{isolation}{role}\
         set local statement_timeout = {timeout_ms}; \
         select set_config('request.jwt.claims', convert_from(decode('{claims}', 'hex'), 'UTF8'), true), \
                set_config('request.jwt.claim.sub', '{user_id}', true), \
                set_config('request.jwt.claim.role', 'authenticated', true), \
                set_config('request.jwt.claim.email', convert_from(decode('{email}', 'hex'), 'UTF8'), true), \
                set_config('request.headers', convert_from(decode('{headers}', 'hex'), 'UTF8'), true); \
         {begin}"
    )
}

fn request_headers() -> String {
    let id = request_id::current();
    let id = id.as_ref().and_then(|id| id.to_str().ok());
    match id {
        Some(id) => serde_json::json!({ "x-request-id": id }).to_string(),
        None => "{}".to_owned(),
    }
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len() * 2), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
