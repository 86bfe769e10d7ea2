//! Calls of language models in the name of a tenant: admitted by the database, made by the crate `llm`, and paid for whatever becomes of them.
//!
//! ```text
//!   edge.begin_model_calls ──► a pass for a second, and a block of tokens in the tenant's purse
//!   a call ──► draws from the purse ──► upstream ──► Meter ──► Ledger ──► edge.end_model_calls: public.usage, and the block is spent
//! ```
//!
//! Who calls often is not asked about each time, and waits for no write: blocks of tokens are set aside in the database and spent here. What is in
//! blocks counts as reserved there, so all replicas together never pass a limit.
//!
//! An agent whose tools run here is asked several times for one request, a [`Conversation`]: each of its rounds is a call of its own, admitted by
//! itself and paid before the next.
//!
//! A [`Meter`] belongs to one call and says what it took when it ends; also when it is dropped, because the client left or a stream broke. What
//! it says goes to the [`Ledger`], which no answer waits for, and as it goes along to a journal on disk, from which the next process takes over
//! what one that was killed still owed.

mod agent;
mod allowance;
mod answer_cache;
mod asides;
mod ask;
mod begin;
mod block;
mod captured_call;
mod conversation;
mod demand;
mod ended_call;
mod heard;
mod journal;
mod ledger;
mod listening;
mod masking;
mod meter;
mod own_keys;
mod pass;
mod places;
mod purse;
mod purses;
mod rate_limits;
mod rounds;
mod telling;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use llm::Providers;
use outbound::Ways;
use vault::Vault;

use self::agent::Agent;
pub use self::answer_cache::{CacheUse, KeptAnswer, replayed};
pub use self::begin::{Admitted, Asked, Begun};
pub use self::block::LastBlock;
pub use self::captured_call::CapturedCall;
pub use self::conversation::Conversation;
pub use self::ended_call::EndedCall;
pub use self::ledger::{Keeper, Ledger};
pub use self::meter::Meter;
pub use self::pass::ProbableCall;
use self::pass::{Pass, PassKey};
use self::places::Places;
use crate::kept::Kept;

/// Which models can be called, and how what they take is kept.
#[derive(Clone)]
pub struct ModelConfiguration {
    pub providers: Providers,
    /// A directory for the journal: what is owed while the database does not know it. Without it that is kept in memory alone.
    pub spool: Option<PathBuf>,
    /// Calls at once; more get 503.
    pub calls: usize,
    /// For what agents have called.
    pub ways: Ways,
}

/// What routes call models with. Cheap to clone.
#[derive(Clone)]
pub struct ModelCalls {
    /// With the operator's keys.
    providers: Providers,
    vault: Option<Vault>,
    ways: Ways,
    ledger: Ledger,
    places: Places,
    passes: Kept<PassKey, Arc<Pass>>,
}

impl ModelCalls {
    pub fn new(configuration: &ModelConfiguration, vault: Option<Vault>, ledger: Ledger) -> Self {
        Self {
            providers: configuration.providers.clone(),
            vault,
            ways: configuration.ways.clone(),
            ledger,
            places: Places::new(configuration.calls),
            passes: Kept::default(),
        }
    }

    /// The providers that the operator has keys to.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.names()
    }
}
