//! A tenant's API key: `aias_<8 hex digits>_<43 characters of base64url>`.
//!
//! The first part tells a key from a token and lets scanners of leaked secrets find it; the second is what people see of it in a list;
//! the third is the secret, 256 random bits. Nobody guesses those, so a plain hash is enough (there is nothing to slow down), and no
//! count of failed attempts is kept.
//!
//! The database is asked for every request, and its answer is not kept (but for calls of models, see [`super::KnownKeys`]): a key that was
//! revoked is refused from the next request on, by every replica, without anybody telling anybody. It costs one read by an index of a unique hash. It is not what the data is guarded
//! by, either: in the caller's transaction each statement asks again what the key may do now, so a key that is revoked in between
//! reads and changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Caller, Principal};
use crate::database::Database;
use crate::error::ApiError;

/// What every key begins with.
pub(super) const MARK: &str = "aias_";
pub(super) const NOT_GOOD: &str = "this API key is unknown, revoked or expired";
const NOT_A_KEY: &str = "this is not a whole API key; one has 57 characters, aias_ and two parts";

/// SHA-256 of a whole key: what the database knows it by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// None when `key` has not the shape of one: then nobody needs to be asked.
    pub fn of(key: &str) -> Option<Self> {
        let (name, secret) = key.strip_prefix(MARK)?.split_at_checked(8)?;
        let secret = secret.strip_prefix('_')?;
        let is_name = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (name.bytes().all(is_name) && secret.len() == 43 && secret.bytes().all(is_base64url))
            .then(|| Self(Sha256::digest(key).into()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A hash opens nothing, but whoever has it can tell a key that they found elsewhere.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

/// The program behind a key.
///
/// # Errors
/// 401 when it is not a key, or not a good one; 503 when the database cannot be asked.
pub(super) async fn authenticate(database: &Database, key: &str) -> Result<Caller, ApiError> {
    let hash = KeyHash::of(key).ok_or_else(not_a_key)?;
    caller_of(database, &hash).await
}

pub(super) fn not_a_key() -> ApiError {
    ApiError::InvalidApiKey(NOT_A_KEY)
}

pub(super) async fn caller_of(database: &Database, hash: &KeyHash) -> Result<Caller, ApiError> {
    let claims = database.authenticate_key(hash).await?;
    caller(claims.ok_or(ApiError::InvalidApiKey(NOT_GOOD))?)
}

fn caller(claims: String) -> Result<Caller, ApiError> {
    #[derive(Deserialize)]
    struct Read {
        api_key_id: Uuid,
        tenant_id: Uuid,
        exp: Option<f64>,
    }
    let read: Read = serde_json::from_str(&claims)
        .context("reading an API key's claims")
        .map_err(ApiError::Internal)?;
    let end = |seconds: f64| {
        let since_1970 = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        UNIX_EPOCH.checked_add(since_1970)
    };
    Ok(Caller {
        principal: Principal::ApiKey {
            key_id: read.api_key_id,
            tenant_id: read.tenant_id,
        },
        expires_at: read.exp.and_then(end),
        claims: Arc::from(claims),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "aias_0123abcd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_";

    #[test]
    fn a_key_is_known_by_the_hash_of_all_of_it() {
        let hash = KeyHash::of(KEY).unwrap();
        assert_eq!(hash.bytes(), Sha256::digest(KEY.as_bytes()).as_slice());
        assert_eq!(format!("{hash:?}"), "KeyHash(..)");
        let other = KEY.replacen("0123abcd", "0123abce", 1);
        assert_ne!(KeyHash::of(&other).unwrap(), hash);
    }

    #[test]
    fn what_has_not_the_shape_is_not_a_key() {
        for not_a_key in [
            "",
            "aias_",
            "aias_0123abcd",
            "aias_0123abcd_",
            &KEY[..56],
            &format!("{KEY}A"),
            &KEY.replace("abcd", "ABCD"),
            &KEY.replace("abcd", "abcg"),
            &KEY.replace("d_", "d-"),
            &KEY.replace("-_", "+/"),
            &KEY.replace("-_", "é"),
            &KEY.replace("0123abc", "012345é"),
            &KEY.replace("aias", "AIAS"),
        ] {
            assert_eq!(KeyHash::of(not_a_key), None, "{not_a_key}");
        }
    }

    #[test]
    fn claims_become_a_caller() {
        let claims = r#"{"exp": 1800000000.5, "role": "authenticated", "api_key_id": "01900000-0000-7000-8000-0000000000f1",
                         "tenant_id": "01900000-0000-7000-8000-00000000a000"}"#;
        let caller = caller(claims.to_owned()).unwrap();
        assert_eq!(caller.principal.id().as_u128() & 0xff, 0xf1);
        assert_eq!(
            caller.expires_at,
            Some(UNIX_EPOCH + Duration::from_secs_f64(1_800_000_000.5))
        );
        assert_eq!(&*caller.claims, claims);
        assert_eq!(caller.expired().body().code, "invalid_api_key");
    }

    #[test]
    fn a_key_without_an_end_has_none() {
        let claims = r#"{"api_key_id": "01900000-0000-7000-8000-0000000000f1", "tenant_id": "01900000-0000-7000-8000-00000000a000"}"#;
        let caller = caller(claims.to_owned()).unwrap();
        assert_eq!((caller.expires_at, caller.remaining()), (None, None));
    }

    #[test]
    fn claims_that_name_nobody_are_our_fault() {
        let error = caller(r#"{"role": "authenticated"}"#.to_owned()).unwrap_err();
        assert_eq!(error.body().code, "internal");
    }
}
