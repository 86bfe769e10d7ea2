//! The kinds of nodes and what the engine needs to know about each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `type` of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeType {
    /// Starts an execution.
    Trigger,
    /// Does something.
    Action,
    /// Chooses a branch.
    Condition,
    /// Asks an agent or a model.
    AiProcessing,
}

impl NodeType {
    /// Every type, in the order of the documentation.
    pub const ALL: [NodeType; 4] = [
        NodeType::Trigger,
        NodeType::Action,
        NodeType::Condition,
        NodeType::AiProcessing,
    ];

    /// The text of `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            NodeType::Trigger => "trigger",
            NodeType::Action => "action",
            NodeType::Condition => "condition",
            NodeType::AiProcessing => "ai_processing",
        }
    }

    /// The type with this text.
    pub fn parse(text: &str) -> Option<NodeType> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The texts of `config.kind` that nodes of this type may have.
    pub const fn kinds(self) -> &'static [(&'static str, Kind)] {
        match self {
            NodeType::Trigger => &[
                ("manual", Kind::Manual),
                ("webhook", Kind::Webhook),
                ("schedule", Kind::Schedule),
                ("event", Kind::Event),
            ],
            NodeType::Action => &[
                ("http", Kind::Http),
                ("email", Kind::Email),
                ("transform", Kind::Transform),
                ("delay", Kind::Delay),
                ("call_workflow", Kind::CallWorkflow),
                ("wait_for_event", Kind::WaitForEvent),
                ("approval", Kind::Approval),
                ("for_each", Kind::ForEach),
            ],
            NodeType::Condition => &[("if", Kind::If), ("switch", Kind::Switch)],
            NodeType::AiProcessing => &[("chat", Kind::Ai)],
        }
    }
}

impl fmt::Display for NodeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node is: its type and `config.kind` together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Started by a person or an API call.
    Manual,
    /// Started by another system's request.
    Webhook,
    /// Started by the clock.
    Schedule,
    /// Started by a row change.
    Event,
    /// An HTTP request.
    Http,
    /// An email.
    Email,
    /// A value built from what is known.
    Transform,
    /// A pause.
    Delay,
    /// Another workflow.
    CallWorkflow,
    /// A wait for an event.
    WaitForEvent,
    /// A wait for a person's decision.
    Approval,
    /// One action for each item of a list.
    ForEach,
    /// Two branches.
    If,
    /// Many branches.
    Switch,
    /// A call of a language model.
    Ai,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 15] = [
        Kind::Manual,
        Kind::Webhook,
        Kind::Schedule,
        Kind::Event,
        Kind::Http,
        Kind::Email,
        Kind::Transform,
        Kind::Delay,
        Kind::CallWorkflow,
        Kind::WaitForEvent,
        Kind::Approval,
        Kind::ForEach,
        Kind::If,
        Kind::Switch,
        Kind::Ai,
    ];

    /// What a [`Kind::ForEach`] may do with an item: the text of `kind`, and what it means.
    pub const FOR_ITEMS: &'static [(&'static str, Kind)] = &[
        ("http", Kind::Http),
        ("email", Kind::Email),
        ("transform", Kind::Transform),
        ("chat", Kind::Ai),
        ("call_workflow", Kind::CallWorkflow),
    ];

    /// What this release's engine can run. Anything else is known and checked, but is a
    /// `kind_not_runnable` problem, so that nothing unrunnable can be activated.
    pub const RUNNABLE: &'static [Kind] = &[
        Kind::Manual,
        Kind::Webhook,
        Kind::Schedule,
        Kind::Event,
        Kind::Http,
        Kind::Email,
        Kind::Transform,
        Kind::Delay,
        Kind::CallWorkflow,
        Kind::WaitForEvent,
        Kind::Approval,
        Kind::ForEach,
        Kind::If,
        Kind::Switch,
        Kind::Ai,
    ];

    /// The kind's name in plans, schemas and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Manual => "manual",
            Kind::Webhook => "webhook",
            Kind::Schedule => "schedule",
            Kind::Event => "event",
            Kind::Http => "http",
            Kind::Email => "email",
            Kind::Transform => "transform",
            Kind::Delay => "delay",
            Kind::CallWorkflow => "call_workflow",
            Kind::WaitForEvent => "wait_for_event",
            Kind::Approval => "approval",
            Kind::ForEach => "for_each",
            Kind::If => "if",
            Kind::Switch => "switch",
            Kind::Ai => "ai",
        }
    }

    /// The node type that the kind belongs to.
    pub const fn node_type(self) -> NodeType {
        match self {
            Kind::Manual | Kind::Webhook | Kind::Schedule | Kind::Event => NodeType::Trigger,
            Kind::Http
            | Kind::Email
            | Kind::Transform
            | Kind::Delay
            | Kind::CallWorkflow
            | Kind::WaitForEvent
            | Kind::Approval
            | Kind::ForEach => NodeType::Action,
            Kind::If | Kind::Switch => NodeType::Condition,
            Kind::Ai => NodeType::AiProcessing,
        }
    }

    /// Whether the node starts an execution.
    pub const fn is_trigger(self) -> bool {
        matches!(self.node_type(), NodeType::Trigger)
    }

    /// Whether the node chooses which of its edges are taken.
    pub const fn is_condition(self) -> bool {
        matches!(self.node_type(), NodeType::Condition)
    }

    /// What a `for_each` does with an item that it does an action of this kind with.
    pub fn for_items(text: &str) -> Option<Kind> {
        Self::FOR_ITEMS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, kind)| *kind)
    }

    /// Whether this release's engine can run it.
    pub fn is_runnable(self) -> bool {
        Self::RUNNABLE.contains(&self)
    }

    /// Whether running it twice can be seen from outside, so that its result must be
    /// recorded before anything after it runs. The others can be computed again.
    pub const fn has_side_effect(self) -> bool {
        match self {
            Kind::Http
            | Kind::Email
            | Kind::Delay
            | Kind::CallWorkflow
            | Kind::WaitForEvent
            | Kind::Approval
            | Kind::ForEach
            | Kind::Ai => true,
            Kind::Manual
            | Kind::Webhook
            | Kind::Schedule
            | Kind::Event
            | Kind::Transform
            | Kind::If
            | Kind::Switch => false,
        }
    }

    /// The branches that every node of this kind has, besides `error` where `on_error` is `branch`.
    ///
    /// All edges of a condition belong to one of its branches. Those of an approval may: an edge
    /// without a handle is taken whatever was decided.
    pub const fn handles(self) -> &'static [&'static str] {
        match self {
            Kind::If => &["true", "false"],
            Kind::Switch => &["default"],
            Kind::Approval => &["approved", "rejected"],
            _ => &[],
        }
    }

    /// The handle that a node with branches takes when it failed and `on_error` is `continue`: a
    /// condition then counts as not fulfilled, and an approval as refused.
    pub const fn otherwise(self) -> Option<&'static str> {
        match self {
            Kind::If => Some("false"),
            Kind::Switch => Some("default"),
            Kind::Approval => Some("rejected"),
            _ => None,
        }
    }

    /// Whether the node waits for somebody to deliver its result: an event, a decision, or the end
    /// of the workflow that it called.
    pub const fn waits_for_delivery(self) -> bool {
        matches!(
            self,
            Kind::WaitForEvent | Kind::Approval | Kind::CallWorkflow
        )
    }

    /// How many attempts a node has that does not say.
    pub const fn default_attempts(self) -> u32 {
        match self {
            // A mail is handed over once, however often the step is tried.
            Kind::Http | Kind::Ai | Kind::Email => 3,
            _ => 1,
        }
    }

    /// The fields that the output has, where they are known. Those of a trigger are what its door
    /// passes on; an execution that somebody starts by hand has what they give it.
    pub const fn output_fields(self) -> Option<&'static [&'static str]> {
        match self {
            Kind::Webhook => Some(&["method", "headers", "query", "body", "raw", "encoding"]),
            Kind::Schedule => Some(&["scheduled_at", "timezone"]),
            Kind::Event => Some(&["table", "operation", "row", "old"]),
            Kind::Email => Some(&["mail_id", "to", "accepted_at"]),
            Kind::Http => Some(&["status", "headers", "body"]),
            Kind::CallWorkflow => Some(&["execution_id", "status", "output"]),
            Kind::WaitForEvent => Some(&["event", "key", "payload", "received_at"]),
            Kind::Approval => Some(&["approved", "comment", "decided_by", "decided_at"]),
            Kind::ForEach => Some(&["items", "failed"]),
            Kind::If | Kind::Switch => Some(&["handle"]),
            Kind::Ai => Some(&["text", "data", "model", "finish_reason", "usage"]),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
