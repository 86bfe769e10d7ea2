//! The expression language of workflows: minijinja, strict about what is undefined, and bounded
//! in time, memory and stack so that a tenant's template cannot hurt its neighbours.
//!
//! In scope are `input`, `trigger`, `steps.<id>.output`, `.error` and `.status`, `execution`,
//! `tenant`, `now` and `secrets`. What is undefined is an error, unless the path is followed by
//! `| default(...)` or tested with `is defined`; then any part of it may be missing. A string that is exactly one `{{ ... }}` keeps the type of its
//! value; in any other string they are written as text: texts as they are, everything else as JSON.

mod context;
mod depth;
mod engine;
mod environment;
mod error;
mod json;
mod lenient;
mod program;
mod weight;

pub use context::{Context, EndedStep};
pub use engine::{Engine, truthy};
pub use error::{ExpressionError, ExpressionErrorKind};

pub(crate) use depth::{Shape, check_depth};
pub(crate) use engine::has_template;
pub(crate) use environment::{FILTERS, FUNCTIONS, LOOP_METHODS, TESTS, is_filter, is_test};
