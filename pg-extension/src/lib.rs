//! The Postgres extension `aias`: what must run inside the database.
//!
//! This file is only the door. `language` is the workflow language, whose rules live in the crate `workflow`; `quota` counts, exactly
//! and without a hot row; `uuid7` makes time-ordered ids. What SQL sees is in `sql/aias--<version>.sql`, which the build generates.

mod door;
mod fault;
mod jsonb;
mod language;
mod quota;
mod uuid7;

::pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/src/quota_tables.sql", name = "quota_tables");
pgrx::extension_sql_file!(
    "../sql/src/quota_functions.sql",
    name = "quota_functions",
    requires = ["quota_tables"]
);
pgrx::extension_sql_file!(
    "../sql/src/comments.sql",
    name = "comments",
    requires = ["quota_functions"],
    finalize
);
