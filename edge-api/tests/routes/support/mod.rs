//! What the tests of routes stand on.

pub mod answer;
pub mod api_keys;
pub mod app;
pub mod billing;
pub mod events;
pub mod exports;
pub mod hooks;
pub mod hosts;
pub mod keys;
pub mod providers;
pub mod proxy;
pub mod secrets;
pub mod stripe;
pub mod upstream;
pub mod worker;

pub use answer::Answer;
pub use api_keys::ApiKey;
pub use app::{SECRET, STRIPE_SECRET, TestApp};
pub use events::EventReader;
pub use hooks::Hook;
pub use worker::Worker;
