//! Which tenant an address belongs to: `<subdomain>.<base domain>`, or a domain of its own that it has shown to be its.
//!
//! A host name is what the client says it is. So it never lets anybody in: it chooses what a login page shows, and it keeps a key of one
//! tenant from being used at the address of another by mistake. That is why answers may be kept for some seconds. They are few and
//! small, also when somebody makes names up; one that is no tenant's is forgotten sooner, because its tenant may be in the making.

mod domain_name;
mod requested_host;

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::domain_name::{DomainName, NotADomainName};
pub use self::requested_host::RequestedHost;
use crate::database::Database;
use crate::error::ApiError;

const KEPT: u64 = 10_000;

/// What the operator says about addresses.
#[derive(Clone, Debug, Default)]
pub struct HostConfiguration {
    /// Tenants are at `<subdomain>.` this. None: at their own domains only.
    pub base_domain: Option<DomainName>,
    /// Whether `X-Forwarded-Host` is believed: only behind a proxy that sets it itself, else any client may.
    pub trust_forwarded: bool,
    pub pace: HostPace,
}

/// How long an answer is kept.
#[derive(Clone, Debug)]
pub struct HostPace {
    pub tenant_for: Duration,
    pub nobody_for: Duration,
}

impl Default for HostPace {
    fn default() -> Self {
        Self {
            tenant_for: Duration::from_secs(30),
            nobody_for: Duration::from_secs(5),
        }
    }
}

/// The tenant at an address: what anybody may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantAtHost {
    pub id: Uuid,
    #[schema(example = "Alpha")]
    pub name: String,
    #[schema(example = "alpha")]
    pub subdomain: String,
}

#[derive(Clone)]
pub struct Hosts(Arc<Inner>);

struct Inner {
    database: Database,
    base_domain: Option<DomainName>,
    trust_forwarded: bool,
    /// None: asked for, and no tenant's.
    kept: Cache<DomainName, Option<Arc<TenantAtHost>>>,
}

impl Hosts {
    pub fn new(database: Database, configuration: HostConfiguration) -> Self {
        let HostConfiguration {
            base_domain,
            trust_forwarded,
            pace,
        } = configuration;
        let kept = Cache::builder().max_capacity(KEPT).expire_after(pace);
        Self(Arc::new(Inner {
            database,
            base_domain,
            trust_forwarded,
            kept: kept.build(),
        }))
    }

    pub async fn tenant_of(
        &self,
        host: &DomainName,
    ) -> Result<Option<Arc<TenantAtHost>>, ApiError> {
        let Inner { database, kept, .. } = &*self.0;
        if let Some(tenant) = kept.get(host).await {
            return Ok(tenant);
        }
        let found = database.tenant_of_host(host, self.base_domain()).await?;
        let tenant = found.map(Arc::new);
        kept.insert(host.clone(), tenant.clone()).await;
        Ok(tenant)
    }

    /// Whether a certificate may be asked for. Not kept: it is asked once for each certificate, and the answer should be today's.
    pub async fn is_served(&self, domain: &DomainName) -> Result<bool, ApiError> {
        let Inner { database, .. } = &*self.0;
        database.domain_is_served(domain, self.base_domain()).await
    }

    fn base_domain(&self) -> Option<&DomainName> {
        self.0.base_domain.as_ref()
    }

    fn trusts_forwarded(&self) -> bool {
        self.0.trust_forwarded
    }
}

impl Expiry<DomainName, Option<Arc<TenantAtHost>>> for HostPace {
    fn expire_after_create(
        &self,
        _: &DomainName,
        tenant: &Option<Arc<TenantAtHost>>,
        _: Instant,
    ) -> Option<Duration> {
        Some(match tenant {
            Some(_) => self.tenant_for,
            None => self.nobody_for,
        })
    }

    fn expire_after_update(
        &self,
        host: &DomainName,
        tenant: &Option<Arc<TenantAtHost>>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(host, tenant, now)
    }
}
