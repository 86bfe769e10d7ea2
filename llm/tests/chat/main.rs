//! The crate through its public door, against stand-ins for the providers: aimock speaks their wire formats, and a
//! socket of our own says what aimock cannot.

mod support;

mod breaker;
mod cancelling;
mod conformance;
mod embeddings;
mod faults;
mod images;
mod keys;
mod own_provider;
mod refusing;
mod seeing;
mod spans;
mod structured_output;
mod tenant_keys;
mod tolerance;
mod tools;
