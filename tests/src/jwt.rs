//! Access tokens in the shape of Supabase Auth: <https://supabase.com/docs/guides/auth/jwt-fields>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The claims that this project reads. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: Uuid,
    pub role: String,
    pub email: String,
    pub session_id: Uuid,
    pub aud: String,
    /// How the person signed in: `aal1` by one factor, `aal2` by two.
    pub aal: String,
    pub iat: i64,
    pub exp: i64,
}

impl Claims {
    /// A signed-in person, with a session of their own, for an hour from now.
    pub fn of(id: Uuid, email: &str) -> Self {
        let now = seconds_since_1970();
        Self {
            sub: id,
            role: "authenticated".to_owned(),
            email: email.to_owned(),
            session_id: Uuid::now_v7(),
            aud: "authenticated".to_owned(),
            aal: "aal1".to_owned(),
            iat: now,
            exp: now + 3600,
        }
    }

    /// The same person, signed in by two factors.
    pub fn with_second_factor(mut self) -> Self {
        self.aal = "aal2".to_owned();
        self
    }

    /// The same person an hour too late.
    pub fn expired(mut self) -> Self {
        self.iat -= 7200;
        self.exp -= 7200;
        self
    }

    /// The token, signed with HS256.
    pub fn sign(&self, secret: &str) -> String {
        sign(self, secret)
    }
}

/// A token with any claims at all, signed with HS256: for those that a service must refuse.
///
/// # Panics
/// When the claims are no JSON object.
pub fn sign(claims: &impl Serialize, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .expect("claims that are a JSON object")
}

fn seconds_since_1970() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
