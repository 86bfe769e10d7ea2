//! Who may call which model, as the database said a moment ago, and what was set aside for them.

use std::sync::Arc;

use llm::Providers;
use uuid::Uuid;

use super::agent::Agent;
use super::allowance::{Limit, Wanted};
use super::block::Part;
use super::ended_call::Cap;
use super::ledger::Ledger;
use super::purses::Held;
use super::rate_limits::RateLimits;

/// Somebody, with a model or an agent of a tenant. All claims of the caller are in it: a session that has lost its second factor is another caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PassKey {
    pub claims: Arc<str>,
    pub tenant_id: Uuid,
    /// As it was asked for.
    pub model: String,
    /// Those that are asked when it fails, where the request names some.
    pub other_models: Vec<String>,
}

/// They may, for a moment.
pub(super) struct Pass {
    pub user_id: Option<Uuid>,
    pub api_key_id: Option<Uuid>,
    pub agent: Option<Agent>,
    /// With the tenant's own keys, where it has some.
    pub providers: Providers,
    pub own_keys_to: Arc<[String]>,
    /// A spending cap holds: the database is asked for each call.
    pub is_capped: bool,
    /// The tenant wants answers to be kept for a while.
    pub keeps_answers: bool,
    /// And what is asked and answered, masked.
    pub keeps_contents: bool,
    /// Those beside the tenant's that calls with it count in.
    pub limits: Arc<[Limit]>,
    /// What is left of the tenant's minute, and of each of those.
    pub left: (RateLimits, Vec<RateLimits>),
}

impl Pass {
    /// Of all that it is counted in, what has the least left. What is held here is left, too.
    pub fn least_left(&self, (tenant, of_limits): (Held, Vec<Held>)) -> RateLimits {
        let (of_tenant, others) = &self.left;
        let others = others.iter().zip(of_limits);
        others.fold(of_tenant.with_held(tenant), |least, (limits, held)| {
            least.or_less(&limits.with_held(held))
        })
    }
}

/// What a call will probably take.
#[derive(Clone, Copy)]
pub struct ProbableCall {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl ProbableCall {
    /// With so many requests that are not counted yet.
    pub(super) fn wanted(&self, requests: u32) -> Wanted {
        Wanted {
            tokens: self.input_tokens.saturating_add(self.output_tokens),
            requests,
        }
    }
}

/// What was drawn for a call, and set aside of its caps. Given back when it is dropped before the call has a meter.
pub(super) struct Drawn {
    ledger: Ledger,
    tenant_id: Uuid,
    parts: Vec<Part>,
    limits: Arc<[Limit]>,
    caps: Vec<Cap>,
}

impl Drawn {
    pub fn new(
        ledger: &Ledger,
        tenant_id: Uuid,
        parts: Vec<Part>,
        limits: Arc<[Limit]>,
        caps: Vec<Cap>,
    ) -> Self {
        Self {
            ledger: ledger.clone(),
            tenant_id,
            parts,
            limits,
            caps,
        }
    }

    pub fn into_parts(mut self) -> (Vec<Part>, Vec<Cap>) {
        let parts = std::mem::take(&mut self.parts);
        (parts, std::mem::take(&mut self.caps))
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.ledger
            .purses
            .undo(self.tenant_id, &self.parts, &self.limits);
        if !self.caps.is_empty() {
            let caps = std::mem::take(&mut self.caps);
            self.ledger.give_back(self.tenant_id, caps);
        }
    }
}
