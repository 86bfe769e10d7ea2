//! Statements run as somebody: role and claims are set for one transaction, as PostgREST does
//! (<https://docs.postgrest.org/en/stable/references/transactions.html>).

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::jwt::Claims;

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Actor {
    /// Nobody that is signed in: role `anon`, no claims.
    Anonymous,
    /// Somebody with a token: role `authenticated`.
    Authenticated(Claims),
    /// An API key, as edge-api presents it: role `authenticated`, and nobody's `sub`.
    Key(KeyClaims),
}

/// What edge-api says of an API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyClaims {
    pub role: String,
    pub api_key_id: Uuid,
    pub tenant_id: Uuid,
}

impl Actor {
    /// An API key of a tenant.
    pub fn key(api_key_id: Uuid, tenant_id: Uuid) -> Self {
        Self::Key(KeyClaims {
            role: "authenticated".to_owned(),
            api_key_id,
            tenant_id,
        })
    }

    /// The role that its statements run as.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Authenticated(_) | Self::Key(_) => "authenticated",
        }
    }

    /// What `request.jwt.claims` says, as JSON.
    pub fn claims(&self) -> String {
        let claims = match self {
            Self::Anonymous => return r#"{"role":"anon"}"#.to_owned(),
            Self::Authenticated(claims) => serde_json::to_string(claims),
            Self::Key(claims) => serde_json::to_string(claims),
        };
        claims.expect("claims are JSON")
    }

    /// A transaction in which every statement runs as this actor. Rolled back when dropped.
    ///
    /// # Errors
    /// When the pool gives no connection, or its user may not become the role.
    pub async fn begin(
        &self,
        pool: &PgPool,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut transaction = pool.begin().await?;
        self.act(&mut transaction).await?;
        Ok(transaction)
    }

    /// From here on, the statements of the transaction that this connection is in run as this actor.
    ///
    /// # Errors
    /// When the connection's user may not become the role.
    pub async fn act(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)",
        )
        .bind(self.claims())
        .bind(self.role())
        .execute(connection)
        .await
        .map(drop)
    }
}
