//! One variable after the other.

use std::path::PathBuf;
use std::str::FromStr;

use llm::Providers;
use outbound::{HttpAllow, Ways};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use vault::{KeyRing, Vault};

use crate::auth::JwksPace;
use crate::hosts::{HostConfiguration, HostPace};
use crate::model_calls::ModelConfiguration;
use crate::stripe::{ReturnUrls, StripeApi, StripeSettings, WebhookSecrets};

use super::{CorsOrigins, JwtConfiguration, LogFormat};

/// Collects what is wrong instead of stopping at the first.
pub struct Reader<F> {
    lookup: F,
    pub problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    pub fn new(lookup: F) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    /// An empty variable is an unset one: that is how compose files and charts spell "none".
    pub fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    pub fn database(&mut self) -> Option<PgConnectOptions> {
        const SHAPE: &str = "a Postgres URL, postgres://user@host:port/database";
        let Some(url) = self.get("AIAS_DATABASE_URL") else {
            self.problems
                .push(format!("AIAS_DATABASE_URL is not set; it must be {SHAPE}"));
            return None;
        };
        // sqlx does not look at the scheme.
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        self.parse(
            "AIAS_DATABASE_URL",
            if is_postgres { &url } else { "" },
            SHAPE,
        )
    }

    pub fn log(&mut self) -> LogFormat {
        match self.get("AIAS_LOG").as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                self.problems
                    .push("AIAS_LOG must be text or json".to_owned());
                LogFormat::Text
            }
        }
    }

    pub fn or_default<T: FromStr>(&mut self, name: &str, default: T, shape: &str) -> T {
        match self.get(name) {
            Some(value) => self.parse(name, &value, shape).unwrap_or(default),
            None => default,
        }
    }

    pub fn number(
        &mut self,
        name: &str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let shape = format!("a number from {} to {}", range.start(), range.end());
        let value = self.or_default(name, default, &shape);
        if !range.contains(&value) {
            self.problems.push(format!("{name} must be {shape}"));
        }
        value
    }

    fn parse<T: FromStr>(&mut self, name: &str, value: &str, shape: &str) -> Option<T> {
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.problems.push(format!("{name} must be {shape}"));
        }
        parsed
    }

    pub fn models(&mut self) -> Option<ModelConfiguration> {
        let calls = self.number("AIAS_MAX_MODEL_CALLS", 2000, 1..=1_000_000) as usize;
        let ways = self.ways();
        match Providers::from_variables(|name| self.get(name)) {
            Ok(providers) => Some(ModelConfiguration {
                providers,
                ways: ways?,
                spool: self.get("AIAS_SPOOL_DIR").map(PathBuf::from),
                calls,
            }),
            Err(error) => {
                self.problems.push(error.to_string());
                None
            }
        }
    }

    fn ways(&mut self) -> Option<Ways> {
        let list = self.get("AIAS_HTTP_ALLOW").unwrap_or_default();
        let ways = HttpAllow::from_str(&list)
            .and_then(|allow| Ways::new(allow).map_err(|error| error.to_string()));
        ways.map_err(|problem| self.problems.push(format!("AIAS_HTTP_ALLOW {problem}")))
            .ok()
    }

    pub fn jwt(&mut self) -> JwtConfiguration {
        let secret = self.get("AIAS_JWT_SECRET").map(SecretString::from);
        if secret
            .as_ref()
            .is_some_and(|secret| secret.expose_secret().len() < 32)
        {
            // RFC 7518, section 3.2: a key of the hash's size or larger.
            self.problems
                .push("AIAS_JWT_SECRET must have at least 32 bytes".to_owned());
        }
        let jwks_url = self.get("AIAS_JWKS_URL").and_then(|value| {
            let url = self.parse::<Url>("AIAS_JWKS_URL", &value, "an http or https URL")?;
            if !matches!(url.scheme(), "http" | "https") {
                self.problems
                    .push("AIAS_JWKS_URL must be an http or https URL".to_owned());
            }
            Some(url)
        });
        if self.get("AIAS_JWT_SECRET").is_none() && self.get("AIAS_JWKS_URL").is_none() {
            self.problems.push("AIAS_JWT_SECRET or AIAS_JWKS_URL must be set: without a key no token can be checked".to_owned());
        }
        JwtConfiguration {
            secret,
            jwks_url,
            jwks_pace: JwksPace::default(),
            issuer: self.get("AIAS_JWT_ISSUER"),
        }
    }

    pub fn vault(&mut self) -> Option<Vault> {
        match KeyRing::from_variables(|name| self.get(name)) {
            Ok(keys) => keys.map(Vault::new),
            Err(error) => {
                // As the others are said, without the colon of a single one.
                self.problems
                    .push(format!("{} {}", error.variable, error.problem));
                None
            }
        }
    }

    pub fn stripe_secrets(&mut self) -> WebhookSecrets {
        const FILE: &str = "STRIPE_WEBHOOK_SECRETS_FILE";
        let (here, file) = (self.get("STRIPE_WEBHOOK_SECRETS"), self.get(FILE));
        if here.is_some() && file.is_some() {
            self.problems.push(format!(
                "STRIPE_WEBHOOK_SECRETS and {FILE} are both set; one of them is enough"
            ));
        }
        let read = file.and_then(|path| {
            let read = std::fs::read_to_string(path);
            let read = read.map_err(|error| self.problems.push(format!("{FILE} {error}")));
            read.ok()
        });
        let secrets = here.or(read).unwrap_or_default();
        let secrets = secrets.split([',', '\n']).map(str::trim);
        WebhookSecrets::of(secrets.filter(|secret| !secret.is_empty()))
    }

    pub fn stripe_api(&mut self) -> Option<StripeApi> {
        let key = self.get("STRIPE_API_KEY");
        let base = self.get("STRIPE_API_BASE");
        let base = base.as_deref().unwrap_or("https://api.stripe.com");
        let base = Url::parse(base).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none()
        });
        if base.is_none() {
            self.problems
                .push("STRIPE_API_BASE must be an http or https URL without a path".to_owned());
        }
        let key = key.filter(|key| {
            let is_secret = is_secret_key(key);
            if !is_secret {
                self.problems.push("STRIPE_API_KEY must be a secret or restricted key: sk_live_…, rk_live_…, sk_test_… or rk_test_…".to_owned());
            }
            is_secret
        });
        let settings = StripeSettings {
            key: key?.into(),
            base: base?,
        };
        let api = StripeApi::new(settings);
        api.map_err(|error| self.problems.push(format!("STRIPE_API_KEY {error:#}")))
            .ok()
    }

    pub fn return_urls(&mut self) -> ReturnUrls {
        let Some(list) = self.get("AIAS_RETURN_ORIGINS") else {
            return ReturnUrls::default();
        };
        ReturnUrls::read(&list).unwrap_or_else(|| {
            self.problems.push("AIAS_RETURN_ORIGINS must be origins such as https://app.example.com or https://*.apps.example.com, separated by commas".to_owned());
            ReturnUrls::default()
        })
    }

    pub fn hosts(&mut self) -> HostConfiguration {
        let base_domain = self.get("AIAS_BASE_DOMAIN").and_then(|value| {
            self.parse(
                "AIAS_BASE_DOMAIN",
                &value,
                "a domain name, apps.example.com",
            )
        });
        HostConfiguration {
            base_domain,
            trust_forwarded: self.or_default("AIAS_TRUST_FORWARDED_HOST", false, "true or false"),
            pace: HostPace::default(),
        }
    }

    pub fn cors_origins(&mut self) -> CorsOrigins {
        let Some(list) = self.get("AIAS_CORS_ORIGINS") else {
            return CorsOrigins::Any;
        };
        if list == "*" {
            return CorsOrigins::Any;
        }
        let origins: Vec<String> = list
            .split(',')
            .map(|origin| origin.trim().trim_end_matches('/').to_owned())
            .collect();
        let is_origin = |origin: &String| {
            Url::parse(origin).is_ok_and(|url| {
                url.has_host() && matches!(url.path(), "" | "/") && url.query().is_none()
            })
        };
        if !origins.iter().all(is_origin) {
            self.problems.push("AIAS_CORS_ORIGINS must be * or origins such as https://app.example.com, separated by commas".to_owned());
        }
        CorsOrigins::Listed(origins)
    }
}

/// <https://docs.stripe.com/keys>
fn is_secret_key(key: &str) -> bool {
    let rest = key.strip_prefix("sk_").or(key.strip_prefix("rk_"));
    let rest = rest.and_then(|rest| rest.strip_prefix("live_").or(rest.strip_prefix("test_")));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}
