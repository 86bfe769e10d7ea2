//! What holds for the schema as a whole, where the catalogue alone cannot tell: what the files say, and that files, tests and
//! drawings agree with the database.

mod coverage;
mod golden;
mod machines;
mod migrations;
mod people;
mod policies;
mod stocks;
