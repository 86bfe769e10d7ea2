use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use uuid::Uuid;

use super::credential::Credential;
use super::{KnownKeys, Verifier, api_key};
use crate::database::Database;
use crate::error::ApiError;
use crate::hosts::{Hosts, RequestedHost};

/// Whoever asks, known from a credential that was checked.
///
/// As an extractor it answers 401 to everybody else. It opens no door by itself: what the caller may see and do is decided by the
/// database, in a [`crate::database::CallerTransaction`].
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    /// After this the credential is worth nothing, leeway included. None for a key without an end.
    pub expires_at: Option<SystemTime>,
    /// All claims, JSON: what policies read through `auth.jwt()`.
    pub claims: Arc<str>,
}

/// Who is behind a credential. Rights are given to principals, and limits count by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Somebody with a session, of any number of tenants.
    Person { user_id: Uuid, email: String },
    /// A program with an API key, of one tenant.
    ApiKey { key_id: Uuid, tenant_id: Uuid },
}

impl Principal {
    pub fn id(&self) -> Uuid {
        match self {
            Self::Person { user_id, .. } => *user_id,
            Self::ApiKey { key_id, .. } => *key_id,
        }
    }
}

impl Caller {
    /// How long the credential is still good for. None: until somebody takes it away.
    pub fn remaining(&self) -> Option<Duration> {
        let until = |end: SystemTime| end.duration_since(SystemTime::now()).unwrap_or_default();
        self.expires_at.map(until)
    }

    /// What to tell this caller once the time is over.
    pub fn expired(&self) -> ApiError {
        match self.principal {
            Principal::Person { .. } => ApiError::TokenExpired,
            Principal::ApiKey { .. } => ApiError::InvalidApiKey(api_key::NOT_GOOD),
        }
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
    Database: FromRef<S>,
    Hosts: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let known = identify(parts, state).await;
        if let Err(error) = &known {
            metrics::counter!("aias_edge_refused_credentials_total", "code" => error.body().code)
                .increment(1);
        }
        known
    }
}

async fn identify<S>(parts: &mut Parts, state: &S) -> Result<Caller, ApiError>
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
    Database: FromRef<S>,
    Hosts: FromRef<S>,
{
    let caller = match Credential::of(&parts.headers)? {
        Credential::AccessToken(token) => Arc::<Verifier>::from_ref(state).verify(token).await?,
        Credential::ApiKey(key) => {
            let database = Database::from_ref(state);
            match parts.extensions.get::<KnownKeys>() {
                Some(known) => known.authenticate(&database, key).await?,
                None => api_key::authenticate(&database, key).await?,
            }
        }
    };
    // A person may belong to many tenants and is held to none by an address. A key of one tenant that comes to another's address was
    // mixed up by somebody, and what it would do there is not what they see there.
    if let Principal::ApiKey { tenant_id, .. } = caller.principal
        && let RequestedHost(Some(host)) = RequestedHost::from_request_parts(parts, state).await?
        && let Some(tenant) = Hosts::from_ref(state).tenant_of(&host).await?
        && tenant.id != tenant_id
    {
        return Err(ApiError::WrongHost);
    }
    Ok(caller)
}
