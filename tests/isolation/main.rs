//! No row of one tenant is readable, writable or told to exist by another: the isolation matrix, and every RPC by hand.

mod access;
mod cells;
mod expected;
mod headers;
mod held;
mod matrix;
mod outcome;
mod plan;
mod plans;
mod players;
mod races;
mod rpc;
mod rpc_table;
mod rpcs;
mod stage;
mod tables;
mod turns;
