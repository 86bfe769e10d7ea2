//! The workflow language of AIAS: the model of a workflow, its validation, the plan that a worker
//! runs, the progress of an execution over it, and the expressions in it.
//!
//! A workflow is two JSON arrays, the nodes and the connections that React Flow draws. [`problems`]
//! says everything that is wrong with them, [`plan`] turns them into what a worker runs,
//! [`Progress`] says which nodes may run next, and [`expression`] renders what they are configured
//! with. [`node_schemas`] is what a frontend builds its forms from.
//!
//! Everything here is pure and total: no I/O, no clock, no panic, and bounded time and stack on any
//! JSON at all, since it runs inside Postgres on whatever a client sends.

mod code;
pub mod cron;
pub mod document;
pub mod expression;
pub mod json_schema;
mod kind;
mod language;
pub mod limits;
mod nearest;
mod path;
mod plan;
mod problem;
mod progress;
mod schema;
mod secrets;
mod validate;

pub use code::{Code, codes_markdown};
pub use kind::{Kind, NodeType};
pub use plan::{OnError, PLAN_FORMAT, Plan, PlanEdge, PlanError, PlanNode, Retry};
pub use problem::{Problem, Severity};
pub use progress::{NodeState, Outcome, Progress, ProgressError, Settled};
pub use schema::node_schemas;
pub use secrets::secrets_in;
pub use validate::{
    gravest, is_valid, is_valid_document, is_valid_text, plan, plan_of_text, problems,
    problems_of_text,
};
