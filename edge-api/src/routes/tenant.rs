//! Whose address this is, for a page that nobody has signed in to yet.

use axum::Json;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::hosts::{Hosts, RequestedHost, TenantAtHost};
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_tenant))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}

/// The tenant at the host that this request was sent to. Who may: anybody; a login page shows its name.
///
/// A host is a tenant's when it is its subdomain of the service's domain, or a domain that the tenant has shown to be its own. What changes
/// is seen within half a minute.
#[utoipa::path(
    get, path = "/v1/tenant", tag = "tenants", operation_id = "getTenant",
    responses(
        (status = 200, description = "The tenant at this host.", body = TenantAtHost),
        (status = 400, description = "`invalid_host`: the request names no host, or two.", body = ErrorBody),
        (status = 404, description = "`no_such_tenant`: this host is no tenant's.", body = ErrorBody),
    )
)]
async fn get_tenant(
    State(hosts): State<Hosts>,
    RequestedHost(host): RequestedHost,
) -> Result<Json<TenantAtHost>, ApiError> {
    let host = host.ok_or(ApiError::NoSuchTenant)?;
    let tenant = hosts.tenant_of(&host).await?;
    let tenant = tenant.ok_or(ApiError::NoSuchTenant)?;
    Ok(Json(TenantAtHost::clone(&tenant)))
}
