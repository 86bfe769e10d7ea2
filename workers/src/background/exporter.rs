//! Makes the exports of all a tenant's data that were asked for.

use std::time::Duration;

use anyhow::Context;

use super::{Chore, Turn};
use crate::queue::{ExportFailure, Queue};

/// Makes one export a turn.
pub struct Exporter {
    pub queue: Queue,
}

impl Exporter {
    /// Counts the attempt, so that an export that cannot be made is given up in the end, and others go first until then.
    async fn failed(&self, failure: ExportFailure) -> anyhow::Error {
        let ExportFailure { key, error } = failure;
        let Some(export) = key else {
            return error.into();
        };
        metrics::counter!("aias_worker_exports_total", "outcome" => "failed").increment(1);
        let noted = self.queue.fail_export(export, &told(&error)).await;
        let error = anyhow::Error::from(error).context(format!("export {}", export.id));
        match noted {
            Ok(()) => error,
            Err(noting) => error.context(format!("nor can it be noted: {noting}")),
        }
    }
}

/// For the people of the tenant. What the database said may show what is not theirs, so it goes to the log alone.
fn told(error: &sqlx::Error) -> String {
    match error.as_database_error().and_then(|error| error.code()) {
        Some(code) => format!("the export could not be made (SQLSTATE {code})"),
        None => "the export could not be made: the database did not answer".to_owned(),
    }
}

impl Chore for Exporter {
    const NAME: &'static str = "export";
    const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let exported = match self.queue.run_next_export().await {
            Ok(exported) => exported,
            Err(failure) => return Err(self.failed(failure).await).context("cannot export"),
        };
        if let Some(exported) = exported {
            metrics::counter!("aias_worker_exports_total", "outcome" => "ready").increment(1);
            tracing::info!(
                tenant = %exported.key.tenant_id,
                export = %exported.key.id,
                lines = exported.lines,
                bytes = exported.bytes,
                "exported a tenant"
            );
        }
        Ok(Turn::more_if(exported.is_some()))
    }
}
