use secrecy::{ExposeSecret, SecretString};

use crate::error::ApiError;

/// A worker takes keys out of what it records of a call, and a shorter one is in everything.
const SHORTEST: usize = 8;
const LONGEST: usize = 1024;

/// A key on its way in. It has no way out: it does not serialize, and `Debug` does not show it.
#[derive(Debug)]
pub struct ProviderKey(SecretString);

impl ProviderKey {
    /// What can stand in a header, which is where all providers want it; nothing else is known of the keys of all of them.
    ///
    /// # Errors
    /// 400 `invalid_provider_key`.
    pub fn into_checked(self) -> Result<SecretString, ApiError> {
        let text = self.0.expose_secret();
        let has_a_length = (SHORTEST..=LONGEST).contains(&text.len());
        if has_a_length && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(self.0);
        }
        Err(ApiError::bad_request(
            "invalid_provider_key",
            "a key has 8 to 1024 visible ASCII characters, and no space before, in or after it",
        ))
    }
}

impl From<String> for ProviderKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
