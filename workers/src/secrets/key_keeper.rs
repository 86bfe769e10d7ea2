//! Keeps data keys under the newest master key, and rotates those that an operator wants rotated.
//!
//! Each key is read, worked on here, and written back if it still is what was read: any number of workers may do it at once, beside whoever sets
//! secrets, and one that dies in between has changed nothing.

use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use uuid::Uuid;
use vault::{Slot, Vault};

use crate::queue::{KeyToRotate, KeyToWrap, Queue};

/// Keys wrapped anew in one turn.
const BATCH: usize = 100;
/// How often a rotation is begun anew because somebody set a secret meanwhile; after that it waits for the next turn.
const MOST_TRIES: usize = 3;

pub struct KeyKeeper {
    queue: Queue,
    vault: Vault,
    /// Where the next turn goes on, so that keys which cannot be opened hold up no others.
    after: Mutex<After>,
}

#[derive(Debug, Clone, Copy, Default)]
struct After {
    wrapped: Option<Uuid>,
    rotated: Option<Uuid>,
}

impl KeyKeeper {
    pub fn new(queue: Queue, vault: Vault) -> Self {
        Self {
            queue,
            vault,
            after: Mutex::default(),
        }
    }

    /// Wraps some keys anew, and rotates one. Answers whether there may be more to do.
    ///
    /// # Errors
    /// What the database answered; or why the first of the keys could not be opened, when all others are done.
    pub async fn turn(&self) -> anyhow::Result<bool> {
        let mut after = *self.after.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trouble = Ok(());

        let keys = self
            .queue
            .keys_to_rewrap(self.vault.newest_master_key(), after.wrapped, BATCH)
            .await?;
        for key in &keys {
            let done = self.rewrap(key).await;
            trouble = trouble.and(done);
        }
        let more_to_wrap = keys.len() == BATCH;
        after.wrapped = keys
            .last()
            .map(|key| key.place.tenant_id)
            .filter(|_| more_to_wrap);

        let key = self.queue.next_key_to_rotate(after.rotated).await?;
        after.rotated = key.as_ref().map(|key| key.key.place.tenant_id);
        let more_to_rotate = key.is_some();
        if let Some(key) = key {
            let done = self.rotate(key, after.rotated).await;
            trouble = trouble.and(done);
        }
        *self.after.lock().unwrap_or_else(PoisonError::into_inner) = after;
        trouble.map(|()| more_to_wrap || more_to_rotate)
    }

    async fn rewrap(&self, key: &KeyToWrap) -> anyhow::Result<()> {
        let rewrapped = self
            .vault
            .rewrap(key.place, &key.wrapped)
            .await
            .with_context(|| format!("wrapping the key of tenant {} anew", key.place.tenant_id))?;
        // Otherwise somebody else was faster, and did the same or more.
        if self.queue.rewrap_key(key, &rewrapped).await? {
            tracing::info!(tenant_id = %key.place.tenant_id, master_key = rewrapped.master_key_id, "wrapped a data key anew");
        }
        Ok(())
    }

    async fn rotate(&self, mut key: KeyToRotate, tenant: Option<Uuid>) -> anyhow::Result<()> {
        for _ in 0..MOST_TRIES {
            if self.rotate_once(&key).await? {
                tracing::info!(tenant_id = %key.key.place.tenant_id, values = key.values.len(), "rotated a data key");
                return Ok(());
            }
            // Something was set or deleted meanwhile, or another worker has rotated it: then it is not asked for any more.
            match self.queue.next_key_to_rotate(None).await? {
                Some(again) if Some(again.key.place.tenant_id) == tenant => key = again,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether it came through.
    async fn rotate_once(&self, read: &KeyToRotate) -> anyhow::Result<bool> {
        let place = read.key.place;
        let of = || format!("rotating the key of tenant {}", place.tenant_id);
        let old = self
            .vault
            .open_key(place, &read.key.wrapped)
            .await
            .with_context(of)?;
        let (new, wrapped) = self
            .vault
            .make_key(place.tenant_id, place.generation + 1)
            .await
            .with_context(of)?;
        let mut resealed = Vec::with_capacity(read.values.len());
        for value in &read.values {
            let of_value = || format!("{}: {} {}", of(), value.kind, value.name);
            let slot = Slot::from_row(&value.kind, &value.name)
                .context("a newer release has sealed this")
                .with_context(of_value)?;
            let opened = old.open(slot, &value.sealed).with_context(of_value)?;
            resealed.push(new.seal(slot, &opened).with_context(of_value)?);
        }
        Ok(self.queue.rotate_key(read, &wrapped, &resealed).await?)
    }
}
