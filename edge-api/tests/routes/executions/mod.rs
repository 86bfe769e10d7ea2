mod cancel_execution;
mod get_execution;
mod schema;
mod start_execution;
mod stream_execution_events;
mod waiting;
