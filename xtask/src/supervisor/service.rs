//! What it takes to run one service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// A program of the stack. It is kept in `stack.json`, so that one service can be started again by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Names its log and its pid file.
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Set on top of the environment of whoever starts it.
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// User and group to run as; None is whoever starts it.
    pub user: Option<(u32, u32)>,
    pub port: Option<u16>,
    pub ready: Ready,
    pub stop: Stop,
}

/// How a service shows that it can be used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ready {
    /// A GET answers with a status below 400.
    Http(String),
    /// A connection with this URL answers a query.
    Postgres(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// TERM, then KILL for the process and all that it started.
    Terminate,
    /// Postgres: INT disconnects clients and writes a checkpoint; QUIT leaves that to recovery. KILL only as the last resort.
    Postgres,
}

impl Stop {
    /// The signals to try, and how long to wait after each.
    pub fn signals(self) -> &'static [(Signal, Duration)] {
        const TERMINATE: &[(Signal, Duration)] = &[
            (Signal::TERM, Duration::from_secs(10)),
            (Signal::KILL, Duration::from_secs(5)),
        ];
        const POSTGRES: &[(Signal, Duration)] = &[
            (Signal::INT, Duration::from_secs(30)),
            (Signal::QUIT, Duration::from_secs(10)),
            (Signal::KILL, Duration::from_secs(5)),
        ];
        match self {
            Self::Terminate => TERMINATE,
            Self::Postgres => POSTGRES,
        }
    }
}
