//! The worker against a real database and a real network.

mod ai_step;
mod audit;
mod calling;
mod cancelling;
mod domains;
mod erasing;
mod exporting;
mod failing;
mod flow;
mod http_step;
mod items;
mod killing;
mod leases;
mod mail_delivery;
mod mail_login;
mod mails;
mod many;
mod outage;
mod pausing;
mod retrying;
mod schedules;
mod state;
mod step_mails;
mod support;
mod waiting;
