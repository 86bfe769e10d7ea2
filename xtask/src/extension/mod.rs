//! Builds and installs the Postgres extension `aias`, without `cargo-pgrx`.
//!
//! pgrx 0.18 leaves a description of every SQL object in a section of the library, so that a build is three plain steps:
//! compile the library against one server's headers, read the section, and turn it into the install script. Doing it here
//! keeps one command (`cargo xtask extension ...`), one place that knows the environment pgrx wants, and no tool to install.
//!
//! ```text
//! let pg = PgConfig::query(path)?;
//! let built = build(&pg, Profile::Dev)?;
//! install(&built, &pg)?;
//! ```

mod build;
mod install;
mod pg_config;
mod sql;

pub use build::{Built, Profile, build};
pub use install::{Installed, install};
pub use pg_config::PgConfig;
pub use sql::{check_committed_sql, committed_sql_path, generated_sql, write_committed_sql};
