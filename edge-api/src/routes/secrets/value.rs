use secrecy::{ExposeSecret, SecretString};

use crate::error::ApiError;

/// Characters of the shortest value. A worker takes values out of what it records of a call, and a shorter one is in everything.
const SHORTEST: usize = 4;
/// Bytes of the largest: room for a private key in PEM with its certificates.
const LARGEST: usize = 16 * 1024;

/// The value of a secret, on its way in. It has no way out: it does not serialize, and `Debug` does not show it.
#[derive(Debug)]
pub struct SecretValue(SecretString);

impl SecretValue {
    /// # Errors
    /// 400 `secret_too_short`, 413 `secret_too_large`.
    pub fn into_checked(self) -> Result<SecretString, ApiError> {
        let text = self.0.expose_secret();
        if text.chars().count() < SHORTEST {
            return Err(ApiError::bad_request(
                "secret_too_short",
                "a secret has at least 4 characters",
            ));
        }
        if text.len() > LARGEST {
            return Err(ApiError::SecretTooLarge);
        }
        Ok(self.0)
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
