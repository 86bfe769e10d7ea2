//! The key to Stripe's API, and where that is.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{ConfigError, problem};

const KEY: &str = "STRIPE_API_KEY";
const BASE: &str = "STRIPE_API_BASE";

#[derive(Clone)]
pub struct StripeSettings {
    pub key: SecretString,
    pub base: Url,
}

impl StripeSettings {
    /// # Errors
    /// A key of no kind that is known, or a base that is no URL.
    pub fn read(
        read: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(key) = read(KEY) else {
            return Ok(None);
        };
        let base = read(BASE).unwrap_or_else(|| "https://api.stripe.com".to_owned());
        let base = Url::parse(&base).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none()
        });
        let base = base.ok_or_else(|| problem(BASE, "is no http or https URL without a path"))?;
        let settings = Self {
            key: key.into(),
            base,
        };
        settings.mode().ok_or_else(|| {
            problem(
                KEY,
                "is no secret or restricted key: sk_live_…, rk_live_…, sk_test_… or rk_test_…",
            )
        })?;
        Ok(Some(settings))
    }

    /// Whether the key is for live objects. It sees no others, so what it does not find may be there all the same.
    pub fn is_live(&self) -> bool {
        self.mode() == Some("live")
    }

    /// <https://docs.stripe.com/keys>
    fn mode(&self) -> Option<&str> {
        let key = self.key.expose_secret();
        let rest = key.strip_prefix("sk_").or(key.strip_prefix("rk_"))?;
        let (mode, _) = rest.split_once('_')?;
        matches!(mode, "live" | "test").then_some(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, base: &str) -> Result<Option<StripeSettings>, String> {
        let read = |name: &'static str| {
            let value = if name == KEY { key } else { base };
            (!value.is_empty()).then(|| value.to_owned())
        };
        StripeSettings::read(read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_says_which_objects_it_sees() {
        assert!(with("", "").unwrap().is_none());
        for (key, is_live) in [
            ("sk_live_x", true),
            ("rk_live_x", true),
            ("sk_test_x", false),
            ("rk_test_x", false),
        ] {
            assert_eq!(with(key, "").unwrap().unwrap().is_live(), is_live, "{key}");
        }
    }

    #[test]
    fn a_mistake_is_named_without_the_key() {
        for (key, base, variable) in [
            ("pk_live_hush", "", KEY),
            ("hush", "", KEY),
            ("sk_test_hush", "ftp://x", BASE),
            ("sk_test_hush", "https://x/v1", BASE),
        ] {
            let error = with(key, base).err().unwrap();
            assert!(
                error.starts_with(variable) && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
