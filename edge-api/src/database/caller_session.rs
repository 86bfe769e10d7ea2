use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::request::Parts;

use super::caller_transaction::Snapshots;
use super::{Access, CallerTransaction, Database};
use crate::auth::{Caller, Verifier};
use crate::error::ApiError;
use crate::hosts::Hosts;

/// A caller before the database: begins transactions and holds no connection between them.
///
/// As an extractor it asks for a caller (401 without one). A GET gets a session that can only read.
#[derive(Clone)]
pub struct CallerSession {
    pub(super) database: Database,
    pub(super) caller: Caller,
    access: Access,
}

impl CallerSession {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Begins a transaction as the caller. Called after the body was read: a slow client must not hold a connection.
    pub async fn begin(&self) -> Result<CallerTransaction, ApiError> {
        CallerTransaction::begin(&self.database, &self.caller, self.access).await
    }

    /// Begins a transaction in which this service's own login asks, in the name of the caller: for functions of schema `edge` that are not to
    /// be open to everybody who is signed in, and that ask the caller's claims themselves.
    pub async fn begin_as_service(&self) -> Result<CallerTransaction, ApiError> {
        CallerTransaction::begin_as_service(
            &self.database,
            &self.caller,
            self.access,
            Snapshots::EachStatements,
        )
        .await
    }

    /// The same caller, who from here on only looks.
    pub fn read_only(self) -> Self {
        Self {
            access: Access::ReadOnly,
            ..self
        }
    }
}

impl<S> FromRequestParts<S> for CallerSession
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
    Database: FromRef<S>,
    Hosts: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let access = if matches!(parts.method, Method::GET | Method::HEAD) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        Ok(Self {
            database: Database::from_ref(state),
            caller,
            access,
        })
    }
}
