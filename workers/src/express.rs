//! A thread for what cannot wait: notices, and the jobs that they offer.
//!
//! Whenever a batch is recorded, a hundred executions are ready to go on at once on the other threads, and who comes then stands in line behind them. Here are the
//! listener, and the executions that were offered, which are few (a sixteenth of all places). What is more than that is claimed.

use tokio::runtime::{Builder, Handle, Runtime};

/// Ends when it is dropped, and what runs there with it.
pub struct Express {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Express {
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("express")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Where tasks are spawned that are to run there.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Express {
    fn drop(&mut self) {
        // A runtime waits for its threads when it is dropped, which no task of another one may.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_runs_tasks_on_its_thread_and_ends_with_them_in_a_task_of_another() {
        let express = Express::start().unwrap();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        let name = express.handle().spawn(async move {
            tokio::spawn(async move {
                let _ended = ended;
                std::future::pending::<()>().await;
            });
            std::thread::current().name().map(str::to_owned)
        });
        assert_eq!(name.await.unwrap().as_deref(), Some("express"));
        drop(express);
        assert!(end.await.is_err());
    }
}
