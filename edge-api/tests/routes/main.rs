//! The service in process, route by route. The files mirror the routes; what is true of all routes has files of its own.

mod support;

mod billing;
mod chat;
mod docs;
mod executions;
mod exports;
mod health;
mod hooks;
mod providers;
mod secrets;
mod stripe;
mod tenant;
mod tls;

mod api_keys;
mod authorisation;
mod caller_transaction;
mod cors;
mod errors;
mod hosts;
mod jwks;
mod limits;
mod logs;
mod outages;
mod request_id;
mod server;
mod tokens;
