//! The worker against a real database and a real network.

mod ai_step;
mod cancelling;
mod failing;
mod flow;
mod http_step;
mod killing;
mod leases;
mod many;
mod outage;
mod state;
mod support;
