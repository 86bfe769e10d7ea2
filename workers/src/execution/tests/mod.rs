//! Runs driven by hand, against rows in memory.

mod ending;
mod flow;
mod resuming;
mod simulation;
mod stopping;
mod world;
