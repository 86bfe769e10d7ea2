//! All chores of a worker: what they need is made before anything starts, and all start together.

use std::net::SocketAddr;
use std::sync::Arc;

use llm::Providers;
use tokio::sync::watch;
use vault::Vault;

use super::{
    AuditChainer, Background, BillingSweeper, Dns, DomainChecker, Embedder, Eraser, Exporter,
    Historian, LimitWatcher, MeterEvents, MeterSums, Scheduler, StripeEvents, StripeFetcher,
    StripeReconciler, Sweeper, UsageCounter,
};
use crate::execution::Drain;
use crate::listener::Wakes;
use crate::mail::{MailSender, MailSettings};
use crate::queue::Queue;
use crate::secrets::{KeyKeeper, Opener};
use crate::stripe::{StripeApi, StripeSettings};

/// What a worker does beside the executions.
pub struct Chores {
    queue: Queue,
    embedder: Embedder,
    /// `None` without a mail server.
    mails: Option<MailSender>,
    /// `None` without name servers.
    domains: Option<DomainChecker>,
    /// `None` without a master key.
    keys: Option<KeyKeeper>,
    /// `None` without a key to Stripe's API.
    stripe: Option<StripeApi>,
}

impl Chores {
    /// # Errors
    /// When a mail template cannot be read, or there is no TLS.
    pub fn new(
        queue: Queue,
        providers: Providers,
        mail: Option<MailSettings>,
        dns_server: Option<SocketAddr>,
        vault: Option<Vault>,
        stripe: Option<StripeSettings>,
    ) -> anyhow::Result<Self> {
        let mails = mail.map(|mail| MailSender::new(queue.clone(), mail));
        let mails = mails.transpose()?;
        if mails.is_none() {
            tracing::info!("AIAS_SMTP_URL is not set: mails stay queued");
        }
        let domains = match Dns::new(dns_server) {
            Ok(dns) => Some(DomainChecker {
                queue: queue.clone(),
                dns,
            }),
            Err(error) => {
                tracing::warn!(%error, "the system names no name servers, and AIAS_DNS_SERVER is not set: domains stay unverified");
                None
            }
        };
        let embedder = Embedder {
            queue: queue.clone(),
            providers,
            secrets: Opener {
                queue: queue.clone(),
                vault: vault.clone(),
            },
        };
        let keys = vault.map(|vault| KeyKeeper::new(queue.clone(), vault));
        if keys.is_none() {
            tracing::info!("AIAS_MASTER_KEY is not set: steps that use secrets fail");
        }
        let stripe = stripe.map(StripeApi::new).transpose()?;
        Ok(Self {
            queue,
            embedder,
            mails,
            domains,
            keys,
            stripe,
        })
    }

    /// Starts them all; they go on until `drain` says that the worker stops.
    pub fn start(self, wakes: &Wakes, drain: watch::Receiver<Drain>) -> Background {
        let queue = || self.queue.clone();
        let mut background = Background::new(drain);
        background.start(AuditChainer { queue: queue() });
        background.start(Exporter { queue: queue() });
        background.start(Eraser::new(queue()));
        background.start(Sweeper { queue: queue() });
        background.start(Historian { queue: queue() });
        background.start_woken_by(Scheduler { queue: queue() }, Arc::clone(&wakes.schedules));
        background.start(self.embedder);
        background.start(BillingSweeper { queue: queue() });
        background.start(StripeEvents {
            queue: queue(),
            with_fetching: self.stripe.is_some(),
        });
        background.start(UsageCounter { queue: queue() });
        background.start(LimitWatcher { queue: queue() });
        if let Some(api) = self.stripe {
            background.start(MeterEvents {
                queue: queue(),
                api: api.clone(),
            });
            background.start(MeterSums {
                queue: queue(),
                api: api.clone(),
            });
            background.start(StripeReconciler {
                queue: queue(),
                api: api.clone(),
            });
            background.start(StripeFetcher {
                queue: queue(),
                api,
            });
        }
        if let Some(mails) = self.mails {
            background.start_woken_by(mails, Arc::clone(&wakes.mails));
        }
        if let Some(domains) = self.domains {
            background.start(domains);
        }
        if let Some(keys) = self.keys {
            background.start(keys);
        }
        background
    }
}
