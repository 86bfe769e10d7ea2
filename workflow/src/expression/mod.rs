//! The expression language of workflows: minijinja, strict about what is undefined, and bounded
//! in time, memory and stack so that a tenant's template cannot hurt its neighbours.
//!
//! In scope are `input`, `trigger`, `steps.<id>.output`, `.error` and `.status`, `execution`,
//! `tenant`, `now` and `secrets`. A string that is exactly one `{{ ... }}` keeps the type of its
//! value; in any other string the values are written as text.

mod context;
mod depth;
mod engine;
mod environment;
mod error;
mod json;

pub use context::Context;
pub use engine::{Engine, truthy};
pub use error::{ExpressionError, ExpressionErrorKind};

pub(crate) use depth::{Shape, check_depth};
pub(crate) use engine::{has_template, whole_expression};
pub(crate) use environment::{FUNCTIONS, environment, is_filter, is_test};
