//! Conversations with a model that says what the test has written down.

mod bounds;
mod support;
mod tools;
