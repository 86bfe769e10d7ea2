use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use serde::Deserialize;
use uuid::Uuid;

use crate::auth::Principal;
use crate::database::CallerSession;
use crate::error::ApiError;
use crate::extract::Query;
use crate::hosts::{Hosts, RequestedHost};

/// A caller, and the tenant whose secrets or providers the request is about: the one that it names, or that of the caller's API key, or the one at whose
/// address it came in. Whether the caller may is for the database to say.
pub struct Whose {
    pub session: CallerSession,
    pub tenant_id: Uuid,
}

#[derive(Deserialize)]
struct Named {
    tenant_id: Option<Uuid>,
}

impl<S> FromRequestParts<S> for Whose
where
    S: Send + Sync,
    CallerSession: FromRequestParts<S, Rejection = ApiError>,
    Hosts: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let session = CallerSession::from_request_parts(parts, state).await?;
        let Query(Named { tenant_id }) = Query::from_request_parts(parts, state).await?;
        let tenant_id = match (tenant_id, &session.caller().principal) {
            (Some(named), _) => named,
            (None, Principal::ApiKey { tenant_id, .. }) => *tenant_id,
            (None, Principal::Person { .. }) => at_host(parts, state).await?,
        };
        Ok(Self { session, tenant_id })
    }
}

async fn at_host<S>(parts: &mut Parts, state: &S) -> Result<Uuid, ApiError>
where
    S: Send + Sync,
    Hosts: FromRef<S>,
{
    let RequestedHost(host) = RequestedHost::from_request_parts(parts, state).await?;
    let tenant = match host {
        Some(host) => Hosts::from_ref(state).tenant_of(&host).await?,
        None => None,
    };
    tenant.map(|tenant| tenant.id).ok_or_else(|| {
        ApiError::bad_request(
            "tenant_required",
            "say whose: ?tenant_id=..., or send the request to the tenant's own address",
        )
    })
}
