//! Erases tenants that were cancelled long enough ago.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Chore, Turn};
use crate::queue::Queue;

/// Rows in one turn, so that none takes long.
const BATCH: u32 = 5_000;

/// Looks for a tenant to erase about once a minute, and goes on with it piece by piece.
pub struct Eraser {
    queue: Queue,
    /// The tenant of the last turn, so that each is told of once.
    last: Mutex<Option<Uuid>>,
}

impl Eraser {
    pub fn new(queue: Queue) -> Self {
        Self {
            queue,
            last: Mutex::default(),
        }
    }

    fn tell(&self, tenant: Option<Uuid>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tenant
            && *last != Some(tenant)
        {
            tracing::info!(%tenant, "erasing a tenant whose time has come");
        }
        *last = tenant;
    }
}

impl Chore for Eraser {
    const NAME: &'static str = "erase_tenants";
    const REST: (Duration, Duration) = (Duration::from_secs(80), Duration::from_secs(80));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let tenant = self.queue.erase_next_tenant(BATCH).await?;
        self.tell(tenant);
        Ok(Turn::more_if(tenant.is_some()))
    }
}
