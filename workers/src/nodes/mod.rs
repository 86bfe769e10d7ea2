//! What a step does: one file a kind.
//!
//! Kinds without a side effect are functions of the scope and run in memory. The others are a [`Call`] that [`Perform`] carries out after
//! it is recorded that they have begun.

pub mod ai;
mod call_workflow;
mod delay;
mod effects;
mod email;
mod failure;
mod for_each;
pub mod http;
mod if_else;
mod masking;
mod switch;
mod transform;
mod trigger;
mod wait;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;
use workflow::Kind;
use workflow::expression::{Context, Engine};

pub use call_workflow::{DEEPEST, execution_in, too_deep};
pub use delay::{Delay, read as read_delay};
pub use effects::Effects;
pub use failure::Failure;
pub use for_each::{ForEach, MOST_ITEMS, item_failed, read as read_for_each};
pub use masking::masked;
pub use outbound::{Redaction, Rendered, WithSecrets, render};
pub use wait::{delivered, gives_up_at, read as read_wait, timed_out as wait_timed_out};

use crate::queue::Claim;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Success {
    pub output: Value,
    /// The branch that a condition or an approval chose.
    pub handle: Option<String>,
    /// Tokens spent, in the form of `queue.record`.
    pub usage: Option<Value>,
}

impl From<Value> for Success {
    fn from(output: Value) -> Self {
        Self {
            output,
            ..Self::default()
        }
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    Failed(Failure),
    /// The claim is no longer good, so nothing about this call can be recorded.
    ClaimLost,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<outbound::Failure> for Stopped {
    fn from(failure: outbound::Failure) -> Self {
        Self::Failed(failure.into())
    }
}

/// Which step: a node, or one item of a `for_each`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index in the plan.
    pub node: usize,
    /// Index in the list.
    pub item: Option<u32>,
}

impl From<usize> for Place {
    fn from(node: usize) -> Self {
        Self { node, item: None }
    }
}

/// One attempt of a step with a side effect.
#[derive(Debug)]
pub struct Call {
    pub claim: Claim,
    pub place: Place,
    /// The node's id.
    pub node_id: String,
    pub attempt: u32,
    pub kind: Kind,
    /// Rendered, with masks for secrets of the tenant. What a template took from elsewhere may be a secret all the same.
    pub config: Value,
    /// What is to be put in their place when the call is made.
    pub secrets: Option<Box<WithSecrets>>,
    /// Seconds, where the node sets them.
    pub timeout: Option<f64>,
    /// The execution that an earlier attempt called and does not wait for any more.
    pub given_up: Option<Uuid>,
}

/// Says, as soon as it is known, that tokens were set aside for a call: they have to be given back also when the call is cut short. `None` when
/// those that were are settled, or about to be.
#[derive(Debug, Clone)]
pub struct Reserved {
    pub sender: mpsc::UnboundedSender<(Place, u32, Option<Uuid>)>,
}

/// Carries out calls. Dropping the future stops the call.
pub trait Perform: Send + Sync {
    fn perform<'a>(
        &'a self,
        call: Call,
        reserved: Reserved,
    ) -> BoxFuture<'a, Result<Success, Stopped>>;
}

/// Runs a node that has no side effect.
///
/// # Errors
/// When an expression fails, or the kind cannot be run in memory.
pub fn compute(
    engine: &Engine,
    kind: Kind,
    config: &Value,
    input: &Value,
    context: &Context,
) -> Result<Success, Failure> {
    match kind {
        Kind::Manual | Kind::Webhook | Kind::Schedule | Kind::Event => Ok(trigger::run(input)),
        Kind::Transform => transform::run(engine, config, context),
        Kind::If => if_else::run(engine, config, context),
        Kind::Switch => switch::run(engine, config, context),
        Kind::Http
        | Kind::Email
        | Kind::Delay
        | Kind::CallWorkflow
        | Kind::WaitForEvent
        | Kind::Approval
        | Kind::ForEach
        | Kind::Ai => Err(Failure::not_runnable(kind)),
    }
}
