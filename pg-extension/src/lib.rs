//! The Postgres extension `aias`: what must run inside the database.
//!
//! This file is only the door. `language` is the workflow language, whose rules live in the crate `workflow`; `quota` counts, exactly
//! and without a hot row; `rate` limits requests; `note` keeps what a rollback must not undo; `access` says where a caller may do
//! something; `change` says what differs between two versions of a row; `audit` writes it down; `uuid7` makes time-ordered ids. What SQL sees is in `sql/aias--<version>.sql`, which the build generates.

mod access;
mod audit;
mod change;
mod door;
mod fault;
mod give_way;
mod instant;
mod jsonb;
mod language;
mod note;
mod quota;
mod rate;
mod session;
mod shared_memory;
mod statement;
mod uuid7;

::pgrx::pg_module_magic!(name, version);

/// Called by Postgres when it loads the library: by the postmaster, where it is preloaded, and otherwise by a session's first call.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: reads whether the postmaster is loading this library.
    let is_preloaded = unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress };
    rate::init(is_preloaded);
    note::init(is_preloaded);
}

pgrx::extension_sql_file!("../sql/src/quota_tables.sql", name = "quota_tables");
pgrx::extension_sql_file!(
    "../sql/src/quota_functions.sql",
    name = "quota_functions",
    requires = ["quota_tables"]
);
// One after the other, so that there is one order only in which the install script can be written.
pgrx::extension_sql_file!(
    "../sql/src/rate_limits.sql",
    name = "rate_limits",
    requires = ["quota_functions"]
);
pgrx::extension_sql_file!(
    "../sql/src/notes.sql",
    name = "notes",
    requires = ["rate_limits"]
);
pgrx::extension_sql_file!(
    "../sql/src/access.sql",
    name = "access",
    requires = ["notes"]
);
pgrx::extension_sql_file!(
    "../sql/src/changes.sql",
    name = "changes",
    requires = ["access"]
);
pgrx::extension_sql_file!(
    "../sql/src/audit.sql",
    name = "audit",
    requires = ["changes"]
);
pgrx::extension_sql_file!(
    "../sql/src/sessions.sql",
    name = "sessions",
    requires = ["audit"]
);
pgrx::extension_sql_file!(
    "../sql/src/comments.sql",
    name = "comments",
    requires = ["sessions"],
    finalize
);
