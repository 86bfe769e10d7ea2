//! The marketplace: what was paid entitles, in any order of what tells of it, and the books say so to the cent.

mod ledger;
mod listings;
mod model;
mod orders;
mod random;
pub mod shop;
