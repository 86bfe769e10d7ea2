//! The Postgres extension `aias`: what must run inside the database.
//!
//! This file is only the door. `language` is the workflow language, whose rules live in the crate `workflow`; `quota` counts, exactly
//! and without a hot row; `uuid7` makes time-ordered ids. What SQL sees is in `sql/aias--<version>.sql`, which the build generates.

mod fault;
mod jsonb;
mod language;
mod uuid7;

::pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/src/quota.sql", name = "quota");
