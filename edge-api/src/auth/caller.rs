use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::Verifier;
use crate::error::ApiError;

/// A signed-in person, known from a token whose signature, time and audience were checked.
///
/// As an extractor it answers 401 to everybody else. It opens no door by itself: what the person may see and do is decided by the
/// database, in a [`crate::database::CallerTransaction`].
#[derive(Clone, Debug)]
pub struct Caller {
    pub user_id: Uuid,
    pub email: String,
    /// After this the token is worth nothing, leeway included.
    pub expires_at: SystemTime,
    /// All claims as they were signed, JSON: what policies read through `auth.jwt()`.
    pub claims: Arc<str>,
}

impl Caller {
    /// How long the token is still good for.
    pub fn remaining(&self) -> Duration {
        self.expires_at
            .duration_since(SystemTime::now())
            .unwrap_or_default()
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let verifier = Arc::<Verifier>::from_ref(state);
        let verified = match bearer_token(parts) {
            Ok(token) => verifier.verify(token).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &verified {
            metrics::counter!("aias_edge_refused_credentials_total", "code" => error.body().code)
                .increment(1);
        }
        verified
    }
}

/// RFC 6750, section 2.1: one header, the scheme in any case.
fn bearer_token(parts: &Parts) -> Result<&str, ApiError> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(ApiError::MissingCredential)?;
    if headers.next().is_some() {
        return Err(ApiError::InvalidToken("send one Authorization header"));
    }
    let header = header
        .to_str()
        .map_err(|_| ApiError::InvalidToken("the Authorization header is not text"))?;
    match header.split_once(' ') {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() =>
        {
            Ok(token.trim())
        }
        _ => Err(ApiError::MissingCredential),
    }
}
