//! Calls of language models in the name of a tenant: admitted by the database, made by the crate `llm`, and paid for whatever becomes of them.
//!
//! ```text
//!   begin ──► tokens are set aside ──► upstream ──► Meter ──► Ledger ──► public.usage, and the tokens are settled
//! ```
//!
//! A [`Meter`] belongs to one call and says what it took when it ends; also when it is dropped, because the client left or a stream broke. What
//! it says goes to the [`Ledger`], which no answer waits for.

mod begin;
mod ended_call;
mod ledger;
mod meter;
mod own_key;
mod spool;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use llm::Providers;
use tokio::sync::Semaphore;
use vault::Vault;

pub use self::begin::{Admitted, Asked};
pub use self::ended_call::EndedCall;
pub use self::ledger::{Keeper, Ledger};
pub use self::meter::Meter;
use crate::error::ApiError;

/// Which models can be called, and how what they take is kept.
#[derive(Clone)]
pub struct ModelConfiguration {
    pub providers: Providers,
    /// A directory for what calls took and the database does not know yet. Without it that is kept in memory alone.
    pub spool: Option<PathBuf>,
    /// Calls at once; more get 503.
    pub calls: usize,
}

/// What routes call models with. Cheap to clone.
#[derive(Clone)]
pub struct ModelCalls {
    /// With the operator's keys.
    providers: Providers,
    vault: Option<Vault>,
    ledger: Ledger,
    places: Arc<Semaphore>,
}

impl ModelCalls {
    pub fn new(configuration: &ModelConfiguration, vault: Option<Vault>, ledger: Ledger) -> Self {
        let places = configuration.calls.min(Semaphore::MAX_PERMITS);
        Self {
            providers: configuration.providers.clone(),
            vault,
            ledger,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// The providers that the operator has keys to.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.names()
    }

    fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, ApiError> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| ApiError::Overloaded("too many models are being called at the moment"))
    }
}
