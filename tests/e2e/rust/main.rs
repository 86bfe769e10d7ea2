//! The product through Rust's own clients of Supabase: `supabase-auth` and `postgrest`, and plain HTTP for the event stream.
//!
//! Needs a running stack and the variables that `cargo xtask test` sets; hence the feature `e2e`.

mod stack;

mod main_path;
mod refusals;
mod sign_in;
