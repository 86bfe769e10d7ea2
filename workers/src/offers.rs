//! Begins what was offered, beside the claims: see `queue.offer`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;
use uuid::Uuid;

use crate::clock::Clock;
use crate::execution::Drain;
use crate::places::Places;
use crate::queue::{Claim, ExecutionKey, Job, Queue};
use crate::wake::Wake;

/// When those to whom something was not offered look whether it was had: who was to have it may have died.
const LOOK: Duration = Duration::from_millis(100);

/// Hears offers.
#[derive(Clone)]
pub struct Offers {
    pub queue: Queue,
    pub places: Places,
    pub clock: Arc<dyn Clock>,
    pub claims: Arc<Wake>,
    pub drain: watch::Receiver<Drain>,
    /// Whether it will be looked anyway.
    pub looks: Arc<AtomicBool>,
}

/// What is said of an execution that is ready.
#[derive(Debug, Deserialize)]
struct Offer {
    worker: String,
    tenant_id: Uuid,
    execution_id: Uuid,
    workflow_id: Uuid,
    workflow_version: i32,
    depth: i16,
    /// `null` when it is too long.
    input: Option<Value>,
}

impl Offers {
    /// Begins it, if there is a place. What is not begun is looked for by a claim. To be called on the runtime where it is to run.
    pub fn hear(&self, payload: &str) {
        if *self.drain.borrow() > Drain::No {
            return;
        }
        // One may be out of a number that this worker cannot read, and only a claim can say so.
        let offer = serde_json::from_str::<Offer>(payload).ok();
        if offer
            .as_ref()
            .is_some_and(|offer| offer.worker != self.queue.worker())
        {
            return self.look_later();
        }
        let place = offer
            .as_ref()
            .and_then(|offer| self.places.for_offer(offer.tenant_id));
        match offer.zip(place) {
            Some((mut offer, place)) => match offer.input.take() {
                Some(input) => self.begin(offer, input, place),
                None => self.ask_and_begin(offer, place),
            },
            None => self.claims.now(),
        }
    }

    fn look_later(&self) {
        if !self.looks.swap(true, Ordering::Relaxed) {
            let (looks, claims) = (Arc::clone(&self.looks), Arc::clone(&self.claims));
            tokio::spawn(async move {
                sleep(LOOK).await;
                looks.store(false, Ordering::Relaxed);
                claims.now();
            });
        }
    }

    fn begin(&self, offer: Offer, input: Value, place: OwnedSemaphorePermit) {
        metrics::counter!("aias_worker_offered_total").increment(1);
        let begun = offer.job(input, self.clock.now());
        self.places.begin_offered(begun, place);
    }

    fn ask_and_begin(&self, offer: Offer, place: OwnedSemaphorePermit) {
        let this = self.clone();
        self.places.running.spawn(async move {
            let stored = this.queue.offered_input(offer.key()).await;
            let input = stored
                .ok()
                .flatten()
                .and_then(|text| serde_json::from_str(&text).ok());
            match input {
                Some(input) => this.begin(offer, input, place),
                None => this.claims.now(),
            }
        });
    }
}

impl Offer {
    fn key(&self) -> ExecutionKey {
        ExecutionKey {
            tenant_id: self.tenant_id,
            execution_id: self.execution_id,
        }
    }

    fn job(self, input: Value, now: Timestamp) -> Job {
        Job {
            claim: Claim {
                key: self.key(),
                fencing_token: Claim::OFFERED,
            },
            claims_without_progress: 1,
            workflow_id: self.workflow_id,
            workflow_version: self.workflow_version,
            input: Arc::new(input),
            started_at: now,
            cancel_requested: false,
            pause_requested: false,
            depth: self.depth,
            steps: Vec::new(),
            signals: Vec::new(),
            unreadable: None,
        }
    }
}
