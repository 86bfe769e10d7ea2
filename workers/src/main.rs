//! The worker process. Its configuration is the environment; see README.md.

use std::process::ExitCode;

use workers::{app, config::Config, slice};

/// Executions are many small values that live for milliseconds, made in one thread and dropped in another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(
    clippy::print_stderr,
    reason = "there is no log before the configuration is read"
)]
fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("worker: {error}");
            return ExitCode::from(2);
        }
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(slice::start)
        .on_thread_unpark(slice::begin)
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(app::main(config)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}
