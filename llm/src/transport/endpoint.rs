//! Where a provider is, and the key to it.

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::{ErrorKind, LlmError};

/// Shorter "keys" are placeholders; taking them out of messages would only garble these.
const SHORTEST_KEY: usize = 8;

#[derive(Debug)]
pub(crate) struct Endpoint {
    base: Url,
    key: Option<SecretString>,
}

impl Endpoint {
    pub(crate) fn new(name: &str, base: Url, key: Option<SecretString>) -> Result<Self, LlmError> {
        if let Some(key) = &key
            && HeaderValue::from_str(key.expose_secret()).is_err()
        {
            return Err(LlmError::new(
                ErrorKind::InvalidConfiguration,
                format!(
                    "the key for the provider `{name}` holds characters that no HTTP header can"
                ),
            ));
        }
        Ok(Self { base, key })
    }

    /// The address of `path` below the base URL, which may already end in the API's version.
    pub(crate) fn url(&self, version: &str, path: &str) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        let base = base
            .strip_suffix(version)
            .map_or(base, |base| base.trim_end_matches('/'));
        if version.is_empty() {
            format!("{base}/{path}")
        } else {
            format!("{base}/{version}/{path}")
        }
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// What tells this endpoint from others. It holds the key: to be hashed, not to be kept.
    pub(crate) fn identity(&self) -> (&str, Option<&str>) {
        let key = self.key.as_ref().map(ExposeSecret::expose_secret);
        (self.base.as_str(), key)
    }

    pub(crate) fn host(&self) -> Option<&str> {
        self.base.host_str()
    }

    /// The value of the header that carries the key; `None` where none is needed.
    pub(crate) fn key_header(&self, prefix: &str) -> Option<HeaderValue> {
        let key = self.key.as_ref()?;
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Providers like to repeat a wrong key in their error message.
    pub(crate) fn redact(&self, mut error: LlmError) -> LlmError {
        if let Some(key) = &self.key
            && key.expose_secret().len() >= SHORTEST_KEY
        {
            error.message = error.message.replace(key.expose_secret(), "[key]");
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str) -> Endpoint {
        Endpoint::new("x", Url::parse(base).unwrap(), Some("sk-verysecret".into())).unwrap()
    }

    #[test]
    fn a_base_url_may_name_the_version_or_not() {
        for base in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/v1",
            "https://a.example/v1/",
        ] {
            assert_eq!(
                endpoint(base).url("v1", "messages"),
                "https://a.example/v1/messages"
            );
        }
        assert_eq!(
            endpoint("http://h:1/proxy").url("v1beta", "models/m"),
            "http://h:1/proxy/v1beta/models/m"
        );
        assert_eq!(
            endpoint("http://h:1/openai/v1").url("", "chat"),
            "http://h:1/openai/v1/chat"
        );
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let endpoint = endpoint("https://a.example");
        let error = endpoint.redact(LlmError::new(
            ErrorKind::Authentication,
            "wrong key sk-verysecret, sorry",
        ));
        assert_eq!(error.to_string(), "wrong key [key], sorry");
        assert!(
            !format!("{endpoint:?} {:?}", endpoint.key_header("Bearer ")).contains("verysecret")
        );
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_refused_at_once() {
        let error =
            Endpoint::new("x", Url::parse("http://h").unwrap(), Some("a\nb".into())).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidConfiguration);
    }
}
