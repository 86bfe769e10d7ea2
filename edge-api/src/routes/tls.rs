//! For the proxy in front that holds the certificates.

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::hosts::{DomainName, Hosts};
use crate::limits::{admit, give_up_after};

pub fn router(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ask_for_certificate))
        .route_layer(from_fn_with_state(
            app.limits.request_timeout,
            give_up_after,
        ))
        .route_layer(from_fn_with_state(app.places.clone(), admit))
}

#[derive(Deserialize)]
struct Asked {
    domain: String,
}

/// Whether a certificate may be asked for. Caddy asks before it does so on demand; only 200 means yes.
///
/// Else anybody could point names here until the certificate authority gives no more. Keep this address to the proxy: it is not meant
/// to be reached from outside.
#[utoipa::path(
    get, path = "/tls/ask", tag = "operation", operation_id = "askForCertificate",
    params(("domain" = String, Query, description = "The domain that a client asked for.")),
    responses(
        (status = 200, description = "Yes: it is a tenant's.", body = String, content_type = "text/plain", example = "yes"),
        (status = 400, description = "`invalid_query`, `invalid_domain`: no domain, or not a domain name in ASCII.", body = ErrorBody),
        (status = 404, description = "`domain_not_served`: no, or not yet.", body = ErrorBody),
    )
)]
async fn ask_for_certificate(
    State(hosts): State<Hosts>,
    Query(asked): Query<Asked>,
) -> Result<&'static str, ApiError> {
    let domain: DomainName = asked.domain.parse().map_err(|_| {
        ApiError::bad_request(
            "invalid_domain",
            "domain must be a domain name in ASCII, such as app.example.com",
        )
    })?;
    match hosts.is_served(&domain).await? {
        true => Ok("yes"),
        false => Err(ApiError::DomainNotServed),
    }
}
