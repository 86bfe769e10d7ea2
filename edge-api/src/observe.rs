//! Around every request: its id, its span, its line in the log, its place in the metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::request_id;

/// The outermost layer: what is answered inside of it, panics and refusals included, is seen here.
///
/// Neither headers nor the query are logged. They may hold credentials.
pub async fn observe(request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    // A template, not the path: the number of routes is known, the number of paths is not.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let mut observation = Observation::begin(method_label(request.method()), route);
    let span = tracing::info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = observation.method,
        route = observation.route,
    );

    let answer = async {
        let mut response = request_id::scope(id.clone(), next.run(request)).await;
        response.headers_mut().insert(request_id::HEADER, id);
        // Bodies hold what users wrote; a browser must not find a page in one.
        response.headers_mut().insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        observation.end(response.status().as_u16());
        response
    };
    answer.instrument(span).await
}

struct Observation {
    method: &'static str,
    route: String,
    began: Instant,
    status: Option<u16>,
}

impl Observation {
    fn begin(method: &'static str, route: String) -> Self {
        metrics::gauge!("aias_edge_requests_in_flight").increment(1);
        Self {
            method,
            route,
            began: Instant::now(),
            status: None,
        }
    }

    fn end(&mut self, status: u16) {
        self.status = Some(status);
        let ms = self.began.elapsed().as_secs_f64() * 1000.0;
        let is_work = self.route.starts_with("/v1/") || self.route.starts_with("/hooks/");
        if is_work || status >= 400 {
            tracing::info!(status, ms, "answered");
        } else {
            // Probes and scrapes would be most of the log.
            tracing::debug!(status, ms, "answered");
        }
    }
}

/// Also when the client left before an answer: the future is dropped, and this with it.
impl Drop for Observation {
    fn drop(&mut self) {
        let (method, route) = (self.method, self.route.clone());
        let status = self
            .status
            .map_or_else(|| "abandoned".to_owned(), |status| status.to_string());
        metrics::gauge!("aias_edge_requests_in_flight").decrement(1);
        metrics::histogram!("aias_edge_request_duration_seconds", "method" => method, "route" => route.clone()).record(self.began.elapsed());
        metrics::counter!("aias_edge_requests_total", "method" => method, "route" => route, "status" => status).increment(1);
    }
}

/// A client can invent methods; the metrics cannot hold them all.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
