//! Runs driven by hand, against rows in memory.

mod ending;
mod flow;
mod items;
mod pausing;
mod resuming;
mod simulation;
mod stopping;
mod waiting;
mod world;
