//! What the operator decides, read from the environment once at start.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `AIAS_DATABASE_URL` | `postgres://aias_edge:...@host/db`; the login needs no right but to become `authenticated` | required |
//! | `AIAS_DATABASE_CONNECTIONS` | size of the pool (1 to 1000) | 10 |
//! | `AIAS_LISTEN` | address and port to serve on | `127.0.0.1:54330` |
//! | `AIAS_JWT_SECRET` | HS256 secret of Supabase Auth, at least 32 bytes | this or the next |
//! | `AIAS_JWKS_URL` | where Supabase Auth publishes its ES256 and RS256 keys | this or the last |
//! | `AIAS_JWT_ISSUER` | the only `iss` that is accepted | any |
//! | `AIAS_MASTER_KEY` | base64 of 32 bytes, which secrets of tenants are kept under; several, newest first, with commas between them | none: secrets cannot be set |
//! | `AIAS_MASTER_KEY_FILE` | a file with such keys instead, one a line | none |
//! | `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY` | the operator's keys for models | none: that provider cannot be called |
//! | `OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`, `GEMINI_BASE_URL` | another endpoint that speaks the provider's protocol | the provider's own |
//! | `OPENAI_COMPATIBLE_BASE_URL`, `OPENAI_COMPATIBLE_API_KEY` | another server that speaks OpenAI's protocol, with its `/v1`, called as `openai-compatible/model`; it may want no key | none |
//! | `AIAS_SPOOL_DIR` | a directory for the journal of calls of models: what is owed while the database does not know it | none: in memory alone |
//! | `AIAS_HTTP_ALLOW` | `host:port` list that tools of agents may call although the address is private | none |
//! | `AIAS_MAX_MODEL_CALLS` | calls of models at once; the next waits a second, and gets 503 then | 2000 |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | where traces of calls to models go, by OTLP over HTTP (`traces/README.md`) | none: nowhere |
//! | `STRIPE_WEBHOOK_SECRETS` | the signing secret of the webhook's endpoint in Stripe; several while one is being replaced, with commas between them | none: events are not taken |
//! | `STRIPE_WEBHOOK_SECRETS_FILE` | a file with such secrets instead, one a line | none |
//! | `STRIPE_API_KEY` | a secret or restricted key to Stripe's API, live or test | none: nothing can be bought |
//! | `STRIPE_API_BASE` | what stands in for `https://api.stripe.com` | Stripe's own |
//! | `AIAS_RETURN_ORIGINS` | comma-separated origins of frontends that Stripe's pages may lead back to, `https://app.example.com`, or `https://*.apps.example.com` for any name below | none: nowhere, so no checkout |
//! | `AIAS_BASE_DOMAIN` | tenants are at `<subdomain>.` this; without it, at domains of their own only | none |
//! | `AIAS_TRUST_FORWARDED_HOST` | `true` behind a proxy that sets `X-Forwarded-Host` to the host it was asked for | `false` |
//! | `AIAS_CORS_ORIGINS` | comma-separated origins of browser frontends, or `*` | `*` |
//! | `AIAS_MAX_REQUESTS` | requests worked on at once; more get 503 | 512 |
//! | `AIAS_MAX_STREAMS` | open event streams, waiting requests and downloads; more get 503 | 10000 |
//! | `AIAS_MAX_STREAMS_PER_USER` | the same for one person or API key; more get 429 | 200 |
//! | `AIAS_LOG` | `text` or `json`; `RUST_LOG` filters | `text` |

mod reader;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use vault::Vault;

use self::reader::Reader;
use crate::auth::JwksPace;
use crate::hosts::HostConfiguration;
use crate::model_calls::ModelConfiguration;
use crate::stripe::{ReturnUrls, StripeApi, WebhookSecrets};

/// Everything that [`crate::App`] is built from.
pub struct Configuration {
    pub database: PgConnectOptions,
    pub database_connections: u32,
    pub listen: SocketAddr,
    pub jwt: JwtConfiguration,
    /// Without it secrets cannot be set.
    pub vault: Option<Vault>,
    pub models: ModelConfiguration,
    /// None: events of Stripe are not taken.
    pub stripe_secrets: WebhookSecrets,
    /// None: nothing can be bought.
    pub stripe_api: Option<StripeApi>,
    pub return_urls: ReturnUrls,
    pub hosts: HostConfiguration,
    pub cors_origins: CorsOrigins,
    pub log: LogFormat,
    pub limits: Limits,
}

/// Whose tokens are believed. At least one of the two key sources is set.
pub struct JwtConfiguration {
    pub secret: Option<SecretString>,
    pub jwks_url: Option<Url>,
    pub jwks_pace: JwksPace,
    pub issuer: Option<String>,
}

/// How much is served at once, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    pub requests: usize,
    pub streams: usize,
    pub streams_per_user: usize,
    pub body_bytes: usize,
    /// From the first byte of a request to the head of its answer, time asked for by `wait` not included.
    pub request_timeout: Duration,
    /// Ends a single statement of a caller inside the database.
    pub statement_timeout: Duration,
    /// How often a stream looks for itself when no notification arrives.
    pub poll_interval: Duration,
    /// How long requests may take to finish after a signal to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 512,
            streams: 10_000,
            streams_per_user: 200,
            body_bytes: 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(15),
            poll_interval: Duration::from_millis(1500),
            drain: Duration::from_secs(20),
        }
    }
}

/// Which browser origins may call. Never with cookies: credentials travel in `Authorization` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    Any,
    Listed(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// One sentence per variable that is missing or wrong. Values are not repeated: some of them are secrets.
#[derive(Debug, thiserror::Error)]
pub struct ConfigurationError {
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is incomplete:")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Configuration {
    /// Reads the process environment.
    pub fn from_env() -> Result<Self, ConfigurationError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads through `lookup`, and names everything that is wrong at once.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let mut reader = Reader::new(lookup);
        let defaults = Limits::default();

        let database = reader.database();
        let database_connections = reader.number("AIAS_DATABASE_CONNECTIONS", 10, 1..=1000);
        let listen = reader.or_default(
            "AIAS_LISTEN",
            SocketAddr::from(([127, 0, 0, 1], 54330)),
            "an address and port, 127.0.0.1:54330",
        );
        let jwt = reader.jwt();
        let vault = reader.vault();
        let models = reader.models();
        let stripe_secrets = reader.stripe_secrets();
        let stripe_api = reader.stripe_api();
        let return_urls = reader.return_urls();
        let hosts = reader.hosts();
        let cors_origins = reader.cors_origins();
        let log = reader.log();
        let limits = Limits {
            requests: reader.number("AIAS_MAX_REQUESTS", 512, 1..=100_000) as usize,
            streams: reader.number("AIAS_MAX_STREAMS", 10_000, 1..=1_000_000) as usize,
            streams_per_user: reader.number("AIAS_MAX_STREAMS_PER_USER", 200, 1..=1_000_000)
                as usize,
            ..defaults
        };

        match (database, models) {
            (Some(database), Some(models)) if reader.problems.is_empty() => Ok(Self {
                database,
                database_connections,
                listen,
                jwt,
                vault,
                models,
                stripe_secrets,
                stripe_api,
                return_urls,
                hosts,
                cors_origins,
                log,
                limits,
            }),
            _ => Err(ConfigurationError {
                problems: reader.problems,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

    fn read(variables: &[(&str, &str)]) -> Result<Configuration, String> {
        Configuration::read(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        insta::assert_snapshot!(read(&[]).err().unwrap(), @r"
        the configuration is incomplete:
          AIAS_DATABASE_URL is not set; it must be a Postgres URL, postgres://user@host:port/database
          AIAS_JWT_SECRET or AIAS_JWKS_URL must be set: without a key no token can be checked
        ");
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let error = read(&[
            ("AIAS_DATABASE_URL", "mysql://hunter2@nowhere"),
            ("AIAS_DATABASE_CONNECTIONS", "0"),
            ("AIAS_LISTEN", "here"),
            ("AIAS_JWT_SECRET", "hunter2"),
            ("AIAS_JWKS_URL", "file:///etc/passwd"),
            ("AIAS_BASE_DOMAIN", "https://hunter2.test"),
            ("AIAS_TRUST_FORWARDED_HOST", "hunter2"),
            ("AIAS_CORS_ORIGINS", "https://a.test, b.test/path"),
            ("AIAS_LOG", "xml"),
        ])
        .err()
        .unwrap();
        assert!(!error.contains("hunter2"));
        insta::assert_snapshot!(error, @r"
        the configuration is incomplete:
          AIAS_DATABASE_URL must be a Postgres URL, postgres://user@host:port/database
          AIAS_DATABASE_CONNECTIONS must be a number from 1 to 1000
          AIAS_LISTEN must be an address and port, 127.0.0.1:54330
          AIAS_JWT_SECRET must have at least 32 bytes
          AIAS_JWKS_URL must be an http or https URL
          AIAS_BASE_DOMAIN must be a domain name, apps.example.com
          AIAS_TRUST_FORWARDED_HOST must be true or false
          AIAS_CORS_ORIGINS must be * or origins such as https://app.example.com, separated by commas
          AIAS_LOG must be text or json
        ");
    }

    #[test]
    fn the_least_that_works() {
        let configuration = read(&[
            ("AIAS_DATABASE_URL", "postgres://edge@db.test/app"),
            ("AIAS_JWT_SECRET", SECRET),
        ])
        .unwrap();
        assert_eq!(configuration.listen.to_string(), "127.0.0.1:54330");
        assert_eq!(configuration.cors_origins, CorsOrigins::Any);
        assert_eq!(configuration.log, LogFormat::Text);
        assert!(configuration.jwt.jwks_url.is_none());
        assert!(configuration.hosts.base_domain.is_none());
        assert!(!configuration.hosts.trust_forwarded);
    }

    #[test]
    fn origins_are_listed() {
        let configuration = read(&[
            ("AIAS_DATABASE_URL", "postgres://edge@db.test/app"),
            ("AIAS_JWKS_URL", "https://auth.test/jwks.json"),
            (
                "AIAS_CORS_ORIGINS",
                "https://app.test/, http://localhost:3000",
            ),
        ])
        .unwrap();
        assert_eq!(
            configuration.cors_origins,
            CorsOrigins::Listed(vec![
                "https://app.test".to_owned(),
                "http://localhost:3000".to_owned()
            ])
        );
    }
}
