//! What other crates' tests stand on: the policies and the seed in a fresh database, the people in the seed, tokens in the shape of
//! Supabase Auth, and statements run as one of those people. `world` has more tenants than the seed, with a row in every table.
//!
//! ```no_run
//! # async fn example(pool: sqlx::PgPool) -> Result<(), sqlx::Error> {
//! tests::policies::apply(&pool).await?;
//! tests::seed::apply(&pool).await?;
//!
//! let mut as_viewer = tests::seed::ALPHA_VIEWER.actor().begin(&pool).await?;
//! let seen: i64 = sqlx::query_scalar("select count(*) from public.workflows").fetch_one(&mut *as_viewer).await?;
//! assert_eq!(seen, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Everything here panics or passes the database's error on: it serves tests only.

pub mod actor;
pub mod jwt;
pub mod policies;
pub mod queue;
pub mod seed;
pub mod stripe;
pub mod world;

use std::path::PathBuf;

/// The root of the repository that this crate was compiled in.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
