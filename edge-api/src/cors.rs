//! Which pages may call this service from a browser.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::configuration::CorsOrigins;
use crate::request_id;

/// Without `Access-Control-Allow-Credentials`: there are no cookies here, so any origin may be allowed without lending it a session.
pub fn layer(origins: &CorsOrigins) -> CorsLayer {
    let allowed = match origins {
        CorsOrigins::Any => AllowOrigin::any(),
        CorsOrigins::Listed(origins) => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    let own = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CACHE_CONTROL,
            own("apikey"),
            own("x-client-info"),
            own("idempotency-key"),
            own("last-event-id"),
            request_id::HEADER,
        ])
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            own("x-quota-limit"),
            own("x-quota-remaining"),
            own("x-quota-reset"),
            own("x-ratelimit-limit-requests"),
            own("x-ratelimit-remaining-requests"),
            own("x-ratelimit-reset-requests"),
            own("x-ratelimit-limit-tokens"),
            own("x-ratelimit-remaining-tokens"),
            own("x-ratelimit-reset-tokens"),
            own("x-aias-cache"),
            request_id::HEADER,
        ])
        .max_age(Duration::from_secs(3600))
}
