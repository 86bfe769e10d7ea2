//! Looks whether domains are those of the tenants that say so.

use std::time::Duration;

use futures::future::join_all;

use super::dns::NoTexts;
use super::{Chore, Dns, Turn};
use crate::queue::{DomainCheck, Queue};

/// Domains of one turn, looked at at the same time.
const BATCH: usize = 10;
/// How long a claimed check stays with a worker that says nothing. Longer than an answer may take.
const LEASE: Duration = Duration::from_secs(60);

/// A tenant has a domain when `_aias-challenge.<domain>` has the TXT record `aias-verification=<token>`.
pub struct DomainChecker {
    pub queue: Queue,
    pub dns: Dns,
}

/// What a domain showed.
#[derive(Debug)]
enum Shown {
    Verified,
    /// Why not, for the people of the tenant.
    Not(String),
}

impl DomainChecker {
    async fn check(&self, check: &DomainCheck) -> sqlx::Result<()> {
        let name = format!("_aias-challenge.{}", check.domain);
        let shown = judge(
            &name,
            &check.verification_token,
            self.dns.texts(&name).await,
        );
        let (outcome, found) = match &shown {
            Shown::Verified => ("verified", Ok(())),
            Shown::Not(why) => ("not", Err(why.as_str())),
        };
        metrics::counter!("aias_worker_domain_checks_total", "outcome" => outcome).increment(1);
        self.queue.record_domain_check(check, found).await.map(drop)
    }
}

fn judge(name: &str, token: &str, texts: Result<Vec<String>, NoTexts>) -> Shown {
    let wanted = format!("aias-verification={token}");
    match texts {
        Ok(texts) if texts.contains(&wanted) => Shown::Verified,
        Ok(_) => Shown::Not(format!("the TXT record at {name} says something else")),
        Err(error) => {
            if let NoTexts::NoAnswer { error: cause, .. } = &error {
                tracing::debug!(name, ?cause, "no answer from the name servers");
            }
            Shown::Not(error.to_string())
        }
    }
}

impl Chore for DomainChecker {
    const NAME: &'static str = "check_domains";
    const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let checks = self.queue.claim_domain_checks(BATCH, LEASE).await?;
        let recorded = join_all(checks.iter().map(|check| self.check(check))).await;
        recorded.into_iter().collect::<sqlx::Result<()>>()?;
        Ok(Turn::more_if(!checks.is_empty()))
    }
}
