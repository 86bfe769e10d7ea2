//! Statements run as somebody: role and claims are set for one transaction, as PostgREST does
//! (<https://docs.postgrest.org/en/stable/references/transactions.html>).

use sqlx::{PgPool, Postgres, Transaction};

use crate::jwt::Claims;

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Actor {
    /// Nobody that is signed in: role `anon`, no claims.
    Anonymous,
    /// Somebody with a token: role `authenticated`.
    Authenticated(Claims),
}

impl Actor {
    /// A transaction in which every statement runs as this actor. Rolled back when dropped.
    ///
    /// # Errors
    /// When the pool gives no connection, or its user may not become the role.
    pub async fn begin(
        &self,
        pool: &PgPool,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let (role, claims) = match self {
            Self::Anonymous => ("anon", r#"{"role":"anon"}"#.to_owned()),
            Self::Authenticated(claims) => (
                "authenticated",
                serde_json::to_string(claims).expect("claims are JSON"),
            ),
        };
        let mut transaction = pool.begin().await?;
        sqlx::query(
            "select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)",
        )
        .bind(claims)
        .bind(role)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction)
    }
}
