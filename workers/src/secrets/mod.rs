//! Secrets of tenants, on the worker's side: opened for a call, and kept under keys that are in force.

mod key_keeper;
mod opener;

pub use key_keeper::KeyKeeper;
pub use opener::Opener;
