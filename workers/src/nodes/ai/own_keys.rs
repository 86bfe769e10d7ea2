//! The tenant's own keys, in the place of the platform's.

use std::collections::BTreeMap;

use llm::{LlmError, Providers};
use secrecy::SecretString;

pub(crate) fn provider_of(model: &str) -> Option<&str> {
    model.split_once('/').map(|(provider, _)| provider)
}

/// The same providers, called with these keys where the platform calls them.
///
/// # Errors
/// When a key cannot be one.
pub(crate) fn with_keys(
    providers: &Providers,
    keys: &BTreeMap<String, SecretString>,
) -> Result<Providers, LlmError> {
    keys.iter()
        .try_fold(providers.clone(), |providers, (name, key)| {
            providers.with_key(name, key.clone(), None)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_key_makes_a_provider_that_the_platform_has_no_key_to() {
        let platform = Providers::builder().build().unwrap();
        assert_eq!(platform.names().count(), 0);
        let keys = ["anthropic", "gemini", "openai"]
            .map(|name| (name.to_owned(), SecretString::from("sk-hunter2hunter2")));
        let ours = with_keys(&platform, &keys.into()).unwrap();
        assert_eq!(
            ours.names().collect::<Vec<_>>(),
            ["anthropic", "gemini", "openai"]
        );
        assert!(!format!("{ours:?}").contains("hunter2"));
    }
}
