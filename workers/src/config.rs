//! What the environment says, checked before anything starts.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use llm::{Providers, RetryPolicy};
use outbound::HttpAllow;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use vault::{KeyRing, Vault};

use crate::mail::MailSettings;
use crate::stripe::StripeSettings;
use crate::telemetry::LogFormat;

/// Everything that can be set. It holds a password, so it has no `Debug`.
#[derive(Clone)]
pub struct Config {
    pub database: PgConnectOptions,
    pub metrics_listen: Option<SocketAddr>,
    /// Executions in memory at a time.
    pub concurrency: usize,
    /// How long a claimed execution stays with a worker that says nothing.
    pub lease: Duration,
    /// How long steps in flight may take to finish after the signal to stop.
    pub drain: Duration,
    pub http_allow: HttpAllow,
    pub providers: Providers,
    /// Without it steps fail that use secrets, or that a tenant has a key of its own for.
    pub vault: Option<Vault>,
    /// Without it mails stay queued.
    pub mail: Option<MailSettings>,
    /// Without it Stripe is not asked how its objects are; what its webhooks tell is applied all the same.
    pub stripe: Option<StripeSettings>,
    /// Asked for the records that prove a domain, instead of the system's name servers.
    pub dns_server: Option<SocketAddr>,
    pub log: LogFormat,
}

/// A variable that is missing or cannot be used. The message never repeats a value that may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    pub variable: &'static str,
    pub problem: String,
}

impl Config {
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// [`Config::from_env`] over any other source of variables. An empty variable counts as not set.
    ///
    /// # Errors
    /// The first variable that is missing or malformed.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let read = |name| {
            variable(name)
                .map(|v| v.trim().to_owned())
                .filter(|v| !v.is_empty())
        };

        const DATABASE: &str = "AIAS_DATABASE_URL";
        let database = read(DATABASE).ok_or_else(|| {
            problem(DATABASE, "is not set; it is the database to work for, such as postgres://aias_worker@127.0.0.1:54322/postgres")
        })?;
        if !database.starts_with("postgres://") && !database.starts_with("postgresql://") {
            return Err(problem(
                DATABASE,
                "is no Postgres URL: it does not begin with postgres://",
            ));
        }
        let database = PgConnectOptions::from_str(&database)
            .map_err(|error| problem(DATABASE, format!("is no Postgres URL: {error}")))?
            .application_name("aias-worker");

        Ok(Self {
            database,
            metrics_listen: parse(
                read,
                "AIAS_METRICS_LISTEN",
                "an address and port such as 127.0.0.1:54333",
            )?,
            concurrency: bounded(read, "AIAS_WORKER_CONCURRENCY", 512.0, 1.0, 100_000.0)? as usize,
            lease: seconds(read, "AIAS_LEASE_SECONDS", 30.0, 1.0, 3_600.0)?,
            drain: seconds(read, "AIAS_DRAIN_SECONDS", 20.0, 0.0, 3_600.0)?,
            http_allow: match read("AIAS_HTTP_ALLOW") {
                None => HttpAllow::default(),
                Some(list) => list
                    .parse()
                    .map_err(|text| problem("AIAS_HTTP_ALLOW", text))?,
            },
            providers: providers(read)?,
            vault: KeyRing::from_variables(read)
                .map_err(|error| problem(error.variable, error.problem))?
                .map(Vault::new),
            mail: MailSettings::read(read)?,
            stripe: StripeSettings::read(read)?,
            dns_server: parse(
                read,
                "AIAS_DNS_SERVER",
                "an address and port such as 127.0.0.1:53",
            )?,
            log: parse(read, "AIAS_LOG", "text or json")?.unwrap_or_default(),
        })
    }
}

pub(crate) fn problem(variable: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        problem: problem.into(),
    }
}

fn parse<T: FromStr>(
    read: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    wanted: &str,
) -> Result<Option<T>, ConfigError> {
    read(variable)
        .map(|text| {
            text.parse()
                .map_err(|_| problem(variable, format!("\"{text}\" is not {wanted}")))
        })
        .transpose()
}

fn bounded(
    read: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    default: f64,
    least: f64,
    most: f64,
) -> Result<f64, ConfigError> {
    let wanted = format!("a number from {least} to {most}");
    let number = parse::<f64>(read, variable, &wanted)?.unwrap_or(default);
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(problem(variable, format!("{number} is not {wanted}")))
    }
}

fn seconds(
    read: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    default: f64,
    least: f64,
    most: f64,
) -> Result<Duration, ConfigError> {
    bounded(read, variable, default, least, most).map(Duration::from_secs_f64)
}

/// The providers of [`Providers::from_env`], but one try a call: failed attempts of a step are repeated by its own policy, with a timer in
/// the database that survives this process and that people can see.
fn providers(read: impl Fn(&'static str) -> Option<String>) -> Result<Providers, ConfigError> {
    let key = |name| read(name).map(SecretString::from);
    let wrong = |variable| move |error: llm::LlmError| problem(variable, error.to_string());
    Providers::builder()
        .retry(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        })
        .openai(key("OPENAI_API_KEY"), read("OPENAI_BASE_URL").as_deref())
        .map_err(wrong("OPENAI_BASE_URL"))?
        .anthropic(
            key("ANTHROPIC_API_KEY"),
            read("ANTHROPIC_BASE_URL").as_deref(),
        )
        .map_err(wrong("ANTHROPIC_BASE_URL"))?
        .gemini(key("GEMINI_API_KEY"), read("GEMINI_BASE_URL").as_deref())
        .map_err(wrong("GEMINI_BASE_URL"))?
        .compatible(
            key("OPENAI_COMPATIBLE_API_KEY"),
            read("OPENAI_COMPATIBLE_BASE_URL").as_deref(),
        )
        .map_err(wrong("OPENAI_COMPATIBLE_BASE_URL"))?
        .build()
        .map_err(wrong("OPENAI_BASE_URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    const DATABASE: (&str, &str) = ("AIAS_DATABASE_URL", "postgres://aias_worker@127.0.0.1/db");

    #[test]
    fn a_database_is_enough() {
        let config = with(&[DATABASE]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.concurrency, 512);
        assert_eq!(config.lease, Duration::from_secs(30));
        assert_eq!(config.drain, Duration::from_secs(20));
        assert_eq!(config.metrics_listen, None);
    }

    #[test]
    fn a_mistake_names_its_variable() {
        for (pairs, wanted) in [
            (vec![], "AIAS_DATABASE_URL: is not set"),
            (
                vec![("AIAS_DATABASE_URL", "mysql://x:hush@y")],
                "AIAS_DATABASE_URL: is no Postgres URL",
            ),
            (
                vec![DATABASE, ("AIAS_WORKER_CONCURRENCY", "0")],
                "AIAS_WORKER_CONCURRENCY: 0 is not a number from 1 to 100000",
            ),
            (
                vec![DATABASE, ("AIAS_METRICS_LISTEN", "here")],
                "AIAS_METRICS_LISTEN: \"here\" is not an address and port",
            ),
            (
                vec![DATABASE, ("AIAS_HTTP_ALLOW", "a:1, http://b")],
                "AIAS_HTTP_ALLOW: \"http://b\" is not host:port",
            ),
            (
                vec![DATABASE, ("AIAS_DNS_SERVER", "127.0.0.1")],
                "AIAS_DNS_SERVER: \"127.0.0.1\" is not an address and port",
            ),
            (
                vec![DATABASE, ("AIAS_SMTP_URL", "smtp://a:hush@b.example")],
                "AIAS_MAIL_FROM: is not set",
            ),
            (
                vec![DATABASE, ("AIAS_MASTER_KEY", "hush")],
                "AIAS_MASTER_KEY: key 1 has 3 bytes; a master key has 32",
            ),
            (
                vec![DATABASE, ("AIAS_LOG", "xml")],
                "AIAS_LOG: \"xml\" is not text or json",
            ),
            (
                vec![DATABASE, ("OPENAI_BASE_URL", "ftp://x")],
                "OPENAI_BASE_URL: ",
            ),
        ] {
            let error = with(&pairs)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.starts_with(wanted), "{error} / {wanted}");
            assert!(!error.contains("hush"));
        }
    }
}
