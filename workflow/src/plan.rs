//! What a worker runs: the workflow's nodes in topological order, with every default filled in.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Kind;
use crate::progress::Wiring;

/// The `format` that this release writes and reads.
pub const PLAN_FORMAT: u32 = 1;

/// A workflow ready to run. Nodes are in topological order, the trigger first, and every edge
/// leads to a later node; a plan read from JSON that breaks this is refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "RawPlan")]
pub struct Plan {
    /// Version of this structure.
    pub format: u32,
    /// The nodes, in an order in which each comes after all it may depend on.
    pub nodes: Vec<PlanNode>,
    #[serde(skip)]
    wiring: OnceLock<Arc<Wiring>>,
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanNode {
    /// The id in the workflow; `steps.<id>` in expressions.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does.
    pub kind: Kind,
    /// Its config as written, templates not rendered.
    pub config: Value,
    /// How failed attempts are repeated.
    pub retry: Retry,
    /// Seconds that one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// What follows when the last attempt failed.
    pub on_error: OnError,
    /// How many edges enter it.
    pub incoming: u32,
    /// The edges that leave it.
    pub outgoing: Vec<PlanEdge>,
}

impl PlanNode {
    /// What a `for_each` does with each item: the kind of the action, and its config.
    pub fn item_action(&self) -> Option<(Kind, &Value)> {
        let action = (self.kind == Kind::ForEach).then(|| self.config.get("do"))??;
        Some((Kind::for_items(action.get("kind")?.as_str()?)?, action))
    }

    /// Whether running it twice can be seen from outside; see [`Kind::has_side_effect`].
    pub fn has_side_effect(&self) -> bool {
        self.kind.has_side_effect()
    }
}

/// An edge to a later node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEdge {
    /// Index of the target in the plan's nodes.
    pub to: usize,
    /// The branch it belongs to, where the source branches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// How failed attempts are repeated. The wait before attempt `n + 1` is
/// `initial_seconds * factor^(n - 1)`, at most `max_seconds`; the worker adds jitter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all; 1 means no retry.
    pub max_attempts: u32,
    /// Seconds before the second attempt.
    pub initial_seconds: f64,
    /// The longest wait.
    pub max_seconds: f64,
    /// What the wait grows by.
    pub factor: f64,
}

impl Retry {
    /// What a node of this kind gets that does not say.
    pub fn default_of(kind: Kind) -> Retry {
        Retry {
            max_attempts: kind.default_attempts(),
            initial_seconds: 1.0,
            max_seconds: 60.0,
            factor: 2.0,
        }
    }

    /// Seconds to wait after `attempt` (1 is the first) failed; `None` when it was the last.
    pub fn wait_after(&self, attempt: u32) -> Option<f64> {
        if attempt >= self.max_attempts {
            return None;
        }
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.initial_seconds * self.factor.powi(exponent);
        Some(wait.min(self.max_seconds).max(0.0))
    }
}

/// What follows when a node's last attempt failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The execution fails.
    #[default]
    Fail,
    /// The execution goes on as if the node had returned null.
    Continue,
    /// The edges with the handle `error` are taken, and no others.
    Branch,
}

impl Plan {
    pub(crate) fn new(nodes: Vec<PlanNode>) -> Plan {
        Plan {
            format: PLAN_FORMAT,
            nodes,
            wiring: OnceLock::new(),
        }
    }

    /// Index of the node with this id.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    pub(crate) fn wiring(&self) -> &Arc<Wiring> {
        self.wiring
            .get_or_init(|| Arc::new(Wiring::new(&self.nodes)))
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Plan) -> bool {
        self.format == other.format && self.nodes == other.nodes
    }
}

#[derive(Deserialize)]
struct RawPlan {
    format: u32,
    nodes: Vec<PlanNode>,
}

/// Why a JSON document is not a plan that this release can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Written by a release with another structure.
    #[error("the plan has format {0}, this release reads format {PLAN_FORMAT}")]
    Format(u32),
    /// The first node is not a trigger, or another one is.
    #[error("node {0} of the plan is out of place: the first one is the trigger, and the only one")]
    Trigger(usize),
    /// An edge leads nowhere or backwards.
    #[error("an edge of node {0} of the plan does not lead to a later node")]
    Edge(usize),
    /// `incoming` is not the number of edges that enter.
    #[error("node {0} of the plan has another number of incoming edges than it says")]
    Incoming(usize),
}

impl TryFrom<RawPlan> for Plan {
    type Error = PlanError;

    fn try_from(raw: RawPlan) -> Result<Plan, PlanError> {
        if raw.format != PLAN_FORMAT {
            return Err(PlanError::Format(raw.format));
        }
        let mut incoming = vec![0_u32; raw.nodes.len()];
        for (index, node) in raw.nodes.iter().enumerate() {
            if node.kind.is_trigger() != (index == 0) {
                return Err(PlanError::Trigger(index));
            }
            for edge in &node.outgoing {
                match incoming.get_mut(edge.to) {
                    Some(count) if edge.to > index => *count += 1,
                    _ => return Err(PlanError::Edge(index)),
                }
            }
        }
        for (index, node) in raw.nodes.iter().enumerate() {
            if node.incoming != incoming[index] || (node.incoming == 0 && index != 0) {
                return Err(PlanError::Incoming(index));
            }
        }
        Ok(Plan::new(raw.nodes))
    }
}
