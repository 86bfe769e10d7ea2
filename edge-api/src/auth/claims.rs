//! What a token must say once its signature is known to be good.
//!
//! Supabase Auth's claims: <https://supabase.com/docs/guides/auth/jwt-fields>.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Caller, Principal};
use crate::error::ApiError;

/// Clocks differ a little.
const LEEWAY: Duration = Duration::from_secs(10);
/// A token that claims to live longer is treated as if it lived this long.
const LONGEST_LIFE: f64 = 400.0 * 86_400.0;

#[derive(Clone, Debug, Default)]
pub struct ClaimRules {
    /// When set, `iss` must be this.
    pub issuer: Option<String>,
}

impl ClaimRules {
    /// The person that these claims name, at the time `now`.
    pub fn check(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<Caller, ApiError> {
        let now_seconds = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();

        let exp = number(claims, "exp")?.ok_or(ApiError::InvalidToken("the token has no exp"))?;
        let remaining = exp + LEEWAY.as_secs_f64() - now_seconds;
        if remaining <= 0.0 {
            return Err(ApiError::TokenExpired);
        }
        if number(claims, "nbf")?.is_some_and(|nbf| nbf > now_seconds + LEEWAY.as_secs_f64()) {
            return Err(ApiError::InvalidToken("the token is not valid yet"));
        }

        match claims.get("aud") {
            None | Some(Value::Null) => {}
            Some(audience) if names(audience, "authenticated") => {}
            Some(_) => return Err(ApiError::InvalidToken("the token is for another audience")),
        }
        if let Some(wanted) = &self.issuer
            && text(claims, "iss") != Some(wanted)
        {
            return Err(ApiError::InvalidToken("the token is from another issuer"));
        }

        match text(claims, "role") {
            Some("authenticated") => {}
            // A project's public key: a good token that names nobody.
            Some("anon") => return Err(ApiError::MissingCredential),
            _ => {
                return Err(ApiError::InvalidToken(
                    "the token's role is not served here",
                ));
            }
        }
        if claims.contains_key("api_key_id") {
            // Policies take whoever has this claim for that key. Only this service says so, of a key that it was shown.
            return Err(ApiError::InvalidToken(
                "the token says that it is an API key",
            ));
        }
        let user_id = text(claims, "sub")
            .and_then(|sub| Uuid::try_parse(sub).ok())
            .ok_or(ApiError::InvalidToken("the token's sub is not a user id"))?;

        Ok(Caller {
            principal: Principal::Person {
                user_id,
                email: text(claims, "email").unwrap_or_default().to_owned(),
            },
            expires_at: Some(now + Duration::from_secs_f64(remaining.min(LONGEST_LIFE))),
            claims: Arc::from(serde_json::to_string(claims).map_err(ApiError::internal)?),
        })
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// RFC 7519, section 2: NumericDate may have a fraction.
fn number(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, ApiError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(ApiError::InvalidToken(
                "a time in the token is not a number",
            )),
        },
    }
}

fn names(audience: &Value, wanted: &str) -> bool {
    match audience {
        Value::String(name) => name == wanted,
        Value::Array(list) => list.iter().any(|name| name.as_str() == Some(wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn check(rules: &ClaimRules, change: Value) -> Result<Caller, String> {
        let mut claims = json!({
            "sub": "01900000-0000-7000-8000-0000000000a1", "role": "authenticated", "aud": "authenticated",
            "email": "owner@alpha.test", "iss": "https://auth.test", "exp": NOW + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        rules
            .check(
                claims.as_object().unwrap(),
                UNIX_EPOCH + Duration::from_secs(NOW),
            )
            .map_err(|error| format!("{}: {}", error.body().code, error.body().message))
    }

    #[test]
    fn a_session_names_its_person() {
        let caller = check(&ClaimRules::default(), json!({})).unwrap();
        assert_eq!(
            caller.principal,
            Principal::Person {
                user_id: "01900000-0000-7000-8000-0000000000a1".parse().unwrap(),
                email: "owner@alpha.test".to_owned(),
            }
        );
        assert_eq!(
            caller.expires_at,
            Some(UNIX_EPOCH + Duration::from_secs(NOW + 70))
        );
        assert!(caller.claims.contains("\"iss\":\"https://auth.test\""));
    }

    #[test]
    fn what_is_accepted() {
        let issuer = ClaimRules {
            issuer: Some("https://auth.test".to_owned()),
        };
        assert!(check(&issuer, json!({})).is_ok());
        for change in [
            json!({"aud": null}),
            json!({"aud": ["authenticated", "other"]}),
            json!({"exp": NOW - 9}),
            json!({"exp": NOW as f64 + 0.5}),
            json!({"exp": 1e300}),
            json!({"nbf": NOW + 9}),
        ] {
            assert!(
                check(&ClaimRules::default(), change.clone()).is_ok(),
                "{change}"
            );
        }
    }

    #[test]
    fn what_is_refused() {
        let rules = ClaimRules {
            issuer: Some("https://auth.test".to_owned()),
        };
        for (change, answer) in [
            (json!({"exp": null}), "invalid_token: the token has no exp"),
            (
                json!({"exp": "soon"}),
                "invalid_token: a time in the token is not a number",
            ),
            (
                json!({"exp": NOW - 11}),
                "token_expired: this access token is no longer valid",
            ),
            (
                json!({"exp": -1e300}),
                "token_expired: this access token is no longer valid",
            ),
            (
                json!({"nbf": NOW + 11}),
                "invalid_token: the token is not valid yet",
            ),
            (
                json!({"aud": "other"}),
                "invalid_token: the token is for another audience",
            ),
            (
                json!({"aud": []}),
                "invalid_token: the token is for another audience",
            ),
            (
                json!({"aud": 7}),
                "invalid_token: the token is for another audience",
            ),
            (
                json!({"iss": "https://evil.test"}),
                "invalid_token: the token is from another issuer",
            ),
            (
                json!({"iss": null}),
                "invalid_token: the token is from another issuer",
            ),
            (
                json!({"role": "anon"}),
                "missing_credential: sign in to do this",
            ),
            (
                json!({"role": "service_role"}),
                "invalid_token: the token's role is not served here",
            ),
            (
                json!({"role": null}),
                "invalid_token: the token's role is not served here",
            ),
            (
                json!({"api_key_id": "01900000-0000-7000-8000-0000000000f1"}),
                "invalid_token: the token says that it is an API key",
            ),
            (
                json!({"sub": "me"}),
                "invalid_token: the token's sub is not a user id",
            ),
            (
                json!({"sub": null}),
                "invalid_token: the token's sub is not a user id",
            ),
        ] {
            assert_eq!(
                check(&rules, change.clone()).unwrap_err(),
                answer,
                "{change}"
            );
        }
    }
}
