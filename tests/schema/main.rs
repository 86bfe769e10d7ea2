//! What holds for the schema as a whole, where the catalogue alone cannot tell: what the files say, and that files, tests and
//! drawings agree with the database.

mod chain;
mod coverage;
mod erasure;
mod exports;
mod golden;
mod machines;
mod migrations;
mod owned;
mod people;
mod policies;
mod recorded;
mod rewriting;
mod stocks;
mod tampered;
mod tampering;
mod tenant_tables;
mod told;
