//! The project's own tasks: the local stack without Docker, and the gates.
//!
//! `cargo xtask up` walks through these modules in about this order.

pub mod cli;

pub mod build;
pub mod extension;
pub mod setup;

pub mod cluster;
pub mod database;
pub mod services;
pub mod supervisor;

pub mod db;
pub mod down;
pub mod service;
pub mod status;
pub mod up;
pub mod watch;

pub mod bench;
pub mod crash;
pub mod demo;
pub mod fuzz;
pub mod prepare;
pub mod stripe_sync_plans;
pub mod test;

mod command;
pub mod layout;
pub mod ports;
pub mod progress;
pub mod secrets;
pub mod stack;
pub mod table;
