//! What a step does: one file a kind.
//!
//! Kinds without a side effect are functions of the scope and run in memory. The others are a [`Call`] that [`Perform`] carries out after
//! it is recorded that they have begun.

pub mod ai;
mod delay;
mod effects;
mod email;
mod failure;
pub mod http;
mod if_else;
mod masking;
mod switch;
mod transform;
mod trigger;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;
use workflow::expression::{Context, Engine};
use workflow::{Kind, PlanNode};

pub use delay::{Delay, read as read_delay};
pub use effects::Effects;
pub use failure::Failure;
pub use masking::masked;

use crate::queue::Claim;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Success {
    pub output: Value,
    /// The branch that a condition chose.
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

/// One attempt of a step with a side effect.
#[derive(Debug)]
pub struct Call {
    pub claim: Claim,
    /// Index in the plan.
    pub node: usize,
    /// The node's id.
    pub node_id: String,
    pub attempt: u32,
    pub kind: Kind,
    /// Rendered; it may hold secrets.
    pub config: Value,
    /// Seconds, where the node sets them.
    pub timeout: Option<f64>,
}

/// Says, as soon as it is known, that tokens were set aside for a call: they have to be given back also when the call is cut short.
#[derive(Debug, Clone)]
pub struct Reserved {
    pub sender: mpsc::UnboundedSender<(usize, u32, Uuid)>,
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
    node: &PlanNode,
    input: &Value,
    context: &Context,
) -> Result<Success, Failure> {
    match node.kind {
        Kind::Manual | Kind::Webhook | Kind::Schedule | Kind::Event => Ok(trigger::run(input)),
        Kind::Transform => transform::run(engine, &node.config, context),
        Kind::If => if_else::run(engine, &node.config, context),
        Kind::Switch => switch::run(engine, &node.config, context),
        Kind::Http
        | Kind::Email
        | Kind::Delay
        | Kind::CallWorkflow
        | Kind::WaitForEvent
        | Kind::Approval
        | Kind::Ai => Err(Failure::not_runnable(node.kind)),
    }
}
