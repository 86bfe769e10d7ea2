//! Whether a token was signed by whom we trust.
//!
//! The token's header says which algorithm it was signed with, and a forger writes that header. So the algorithm only chooses the
//! source of keys, each source answers to its own list, and a key is never used with another kind of algorithm than its own: an RSA
//! public key is no HMAC secret here (RFC 8725, section 3.1).

use std::sync::Arc;
use std::time::SystemTime;

use jsonwebtoken::crypto::rust_crypto;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{Caller, ClaimRules, Jwks};
use crate::configuration::JwtConfiguration;
use crate::error::ApiError;

pub struct Verifier {
    secret: Option<DecodingKey>,
    jwks: Option<Arc<Jwks>>,
    rules: ClaimRules,
}

impl Verifier {
    pub fn new(configuration: &JwtConfiguration) -> Self {
        // Another crate of the build may bring a second implementation; which one is used is decided here.
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let secret = configuration.secret.as_ref();
        Self {
            secret: secret
                .map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            jwks: configuration
                .jwks_url
                .clone()
                .map(|url| Arc::new(Jwks::new(url, configuration.jwks_pace.clone()))),
            rules: ClaimRules {
                issuer: configuration.issuer.clone(),
            },
        }
    }

    /// Fetches the published keys before the first caller waits for them.
    pub async fn warm_up(&self) {
        if let Some(jwks) = &self.jwks {
            jwks.refresh().await;
        }
    }

    /// The person behind a token.
    ///
    /// # Errors
    /// 401 when it cannot be believed; 503 when no key could be fetched yet that it could be checked with.
    pub async fn verify(&self, token: &str) -> Result<Caller, ApiError> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| ApiError::InvalidToken("the token is not a JWT that is served here"))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: what is critical and not understood is refused.
            return Err(ApiError::InvalidToken(
                "the token asks for an extension that is not understood",
            ));
        }
        let claims = match header.alg {
            Algorithm::HS256 => {
                let secret = self.secret.as_ref().ok_or(NOT_ACCEPTED)?;
                signed_by(secret, token, header.alg)?
            }
            Algorithm::ES256 | Algorithm::RS256 => {
                self.signed_by_published_key(token, &header).await?
            }
            _ => return Err(NOT_ACCEPTED),
        };
        self.rules.check(&claims, SystemTime::now())
    }

    async fn signed_by_published_key(
        &self,
        token: &str,
        header: &Header,
    ) -> Result<Map<String, Value>, ApiError> {
        let jwks = self.jwks.as_ref().ok_or(NOT_ACCEPTED)?;
        let keys = jwks.keys_for(header.kid.as_deref(), header.alg).await?;
        keys.iter()
            .find_map(|key| signed_by(key, token, header.alg).ok())
            .ok_or(ApiError::InvalidToken(
                "the token's signature is not from a known key",
            ))
    }
}

const NOT_ACCEPTED: ApiError = ApiError::InvalidToken("the token's algorithm is not accepted");

/// The claims, when `key` signed them. Their content is judged by [`ClaimRules`].
fn signed_by(
    key: &DecodingKey,
    token: &str,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, ApiError> {
    let mut signature_only = Validation::new(algorithm);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_nbf = false;
    signature_only.validate_aud = false;
    match jsonwebtoken::decode(token, key, &signature_only) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(ApiError::InvalidToken(match error.kind() {
            ErrorKind::InvalidSignature => "the token's signature is not from a known key",
            _ => "the token is not a JWT that is served here",
        })),
    }
}
