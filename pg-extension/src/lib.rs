//! The Postgres extension `aias`: what must run inside the database.
//!
//! This file is only the door. `language` is the workflow language, whose rules live in the crate `workflow`; `quota` counts, exactly
//! and without a hot row; `rate` limits requests; `uuid7` makes time-ordered ids. What SQL sees is in `sql/aias--<version>.sql`, which the
//! build generates.

mod door;
mod fault;
mod instant;
mod jsonb;
mod language;
mod quota;
mod rate;
mod statement;
mod uuid7;

::pgrx::pg_module_magic!(name, version);

/// Called by Postgres when it loads the library: by the postmaster, where it is preloaded, and otherwise by a session's first call.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    rate::init();
}

pgrx::extension_sql_file!("../sql/src/quota_tables.sql", name = "quota_tables");
pgrx::extension_sql_file!(
    "../sql/src/quota_functions.sql",
    name = "quota_functions",
    requires = ["quota_tables"]
);
// After the quotas, so that there is one order only in which the install script can be written.
pgrx::extension_sql_file!(
    "../sql/src/rate_limits.sql",
    name = "rate_limits",
    requires = ["quota_functions"]
);
pgrx::extension_sql_file!(
    "../sql/src/comments.sql",
    name = "comments",
    requires = ["rate_limits"],
    finalize
);
