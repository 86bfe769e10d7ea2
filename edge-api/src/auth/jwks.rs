//! The keys that an Auth server publishes (RFC 7517), fetched when needed and kept when it is away.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::ApiError;

const LARGEST: usize = 256 * 1024;

/// How often the server is asked.
#[derive(Clone, Debug)]
pub struct JwksPace {
    /// Never more often than this, whatever key ids strangers invent.
    pub floor: Duration,
    /// The same while there is no key at all.
    pub floor_without_keys: Duration,
    /// Again after this, so that a withdrawn key is noticed.
    pub fresh_for: Duration,
}

impl Default for JwksPace {
    fn default() -> Self {
        Self {
            floor: Duration::from_secs(30),
            floor_without_keys: Duration::from_secs(2),
            fresh_for: Duration::from_secs(600),
        }
    }
}

pub struct Jwks {
    url: Url,
    pace: JwksPace,
    http: reqwest::Client,
    /// None until the first answer.
    keys: RwLock<Option<Arc<KeySet>>>,
    /// When the server was last asked. Whoever holds the lock is asking; the others wait for that answer.
    asked: Mutex<Option<Instant>>,
}

struct KeySet {
    keys: Vec<Key>,
    fetched: Instant,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Jwks {
    pub fn new(url: Url, pace: JwksPace) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("aias-edge/", env!("CARGO_PKG_VERSION")))
            .build()
            .unwrap_or_default();
        Self {
            url,
            pace,
            http,
            keys: RwLock::new(None),
            asked: Mutex::new(None),
        }
    }

    /// The keys that a token with this header may be signed with: the one of its id, or all of its algorithm when it names none.
    ///
    /// # Errors
    /// 401 when there is no such key; 503 when no key was ever fetched.
    pub async fn keys_for(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, ApiError> {
        if let Some(held) = self.held() {
            let found = held.find(id, algorithm);
            if !found.is_empty() {
                if held.fetched.elapsed() > self.pace.fresh_for {
                    let jwks = self.clone();
                    tokio::spawn(async move { jwks.refresh().await });
                }
                return Ok(found);
            }
        }
        self.refresh().await;
        let held = self.held().ok_or(ApiError::Unavailable(
            "the keys that tokens are checked with cannot be fetched at the moment",
        ))?;
        let found = held.find(id, algorithm);
        if found.is_empty() {
            return Err(ApiError::InvalidToken(
                "the token's signature is not from a known key",
            ));
        }
        Ok(found)
    }

    /// Asks the server again, unless it was asked a moment ago. A failure keeps the keys that are held.
    pub async fn refresh(&self) {
        let mut asked = self.asked.lock().await;
        let floor = if self.held().is_some() {
            self.pace.floor
        } else {
            self.pace.floor_without_keys
        };
        if asked.is_some_and(|asked| asked.elapsed() < floor) {
            return;
        }
        *asked = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let set = Arc::new(KeySet {
                    keys,
                    fetched: Instant::now(),
                });
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(set);
            }
            Err(error) => {
                tracing::warn!(url = %self.url, error = format!("{error:#}"), "the keys of the Auth server could not be fetched; those that are held stay");
            }
        }
        // From the end of the answer: a slow server is not asked back to back.
        *asked = Some(Instant::now());
    }

    fn held(&self) -> Option<Arc<KeySet>> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn fetch(&self) -> anyhow::Result<Vec<Key>> {
        let mut response = self
            .http
            .get(self.url.clone())
            .send()
            .await?
            .error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            ensure!(
                body.len() <= LARGEST,
                "the answer is larger than {LARGEST} bytes"
            );
        }
        parse(&body)
    }
}

impl KeySet {
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits =
            |key: &&Key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id);
        self.keys
            .iter()
            .filter(fits)
            .map(|key| key.key.clone())
            .collect()
    }
}

/// The keys of a set that can be used. One that is of another kind, or broken, does not spoil the others.
fn parse(body: &[u8]) -> anyhow::Result<Vec<Key>> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).context("the answer is no set of keys")?;
    let usable = |key: serde_json::Value| {
        let id = key
            .get("kid")
            .and_then(|id| id.as_str())
            .unwrap_or("without an id")
            .to_owned();
        let read = serde_json::from_value::<Jwk>(key)
            .map_err(anyhow::Error::from)
            .and_then(|key| usable(&key));
        read.inspect_err(|reason| {
            tracing::debug!(
                id,
                reason = format!("{reason:#}"),
                "a published key is not used"
            )
        })
        .ok()
    };
    Ok(set.keys.into_iter().filter_map(usable).collect())
}

/// The algorithm follows from the key: EC on P-256 is ES256, RSA is RS256. Shared secrets (`oct`) have no business in a public set.
fn usable(jwk: &Jwk) -> anyhow::Result<Key> {
    let common = &jwk.common;
    ensure!(
        matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)),
        "it is not for signatures"
    );
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(key) => {
            // 256 bytes in base64url: RFC 7518, section 3.3 asks for 2048 bits.
            ensure!(key.n.len() >= 342, "an RSA key needs at least 2048 bits");
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        _ => bail!("its kind is not served here"),
    };
    ensure!(
        common.key_algorithm.is_none_or(|said| said == named),
        "it is for another algorithm"
    );
    Ok(Key {
        id: common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(jwk)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7517, appendix A.1, and a shared secret that somebody published by mistake.
    const SET: &str = r#"{"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig",
         "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
        {"kty": "EC", "crv": "P-256", "kid": "for encryption", "use": "enc",
         "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
        {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
        {"kty": "oct", "kid": "secret", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty": "something new", "kid": "new"},
        "not even an object"
    ]}"#;

    #[test]
    fn only_keys_of_the_allowed_kinds_are_used() {
        let keys = parse(SET.as_bytes()).unwrap();
        let ids: Vec<_> = keys
            .iter()
            .map(|key| (key.id.as_deref(), key.algorithm))
            .collect();
        assert_eq!(ids, [(Some("ec"), Algorithm::ES256)]);
    }

    #[test]
    fn a_key_is_found_by_id_and_algorithm_together() {
        let set = KeySet {
            keys: parse(SET.as_bytes()).unwrap(),
            fetched: Instant::now(),
        };
        assert_eq!(set.find(Some("ec"), Algorithm::ES256).len(), 1);
        assert_eq!(set.find(None, Algorithm::ES256).len(), 1);
        assert!(set.find(Some("ec"), Algorithm::RS256).is_empty());
        assert!(set.find(Some("other"), Algorithm::ES256).is_empty());
    }

    #[test]
    fn garbage_is_no_set() {
        for garbage in ["", "[]", "<html>", r#"{"keys": 1}"#] {
            assert!(parse(garbage.as_bytes()).is_err(), "{garbage:?}");
        }
    }
}
