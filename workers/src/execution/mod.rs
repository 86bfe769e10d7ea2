//! One execution, from its claim to its end.
//!
//! [`Run`] decides and touches nothing: it is told what happened and at what time, and answers what is to be done. [`drive()`] does it. A
//! simulator can drive a `Run` just as well.

mod advance;
mod content;
mod drive;
mod ending;
mod for_each;
mod recording;
mod resume;
pub mod retry;
mod run;
mod scope;
mod signals;
mod step;
#[cfg(test)]
mod tests;

pub use drive::{Drain, Drive, drive};
pub use run::{Action, Event, Left, Limits, Run};
