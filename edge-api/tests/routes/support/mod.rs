//! What the tests of routes stand on.

pub mod answer;
pub mod app;
pub mod events;
pub mod keys;
pub mod proxy;
pub mod worker;

pub use answer::Answer;
pub use app::{SECRET, TestApp};
pub use events::EventReader;
pub use worker::Worker;
