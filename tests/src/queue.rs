//! The worker's calls, for tests that play a worker.

use serde_json::Value;
use sqlx::PgExecutor;

/// `queue.record` of one execution, which is `{tenant_id, execution_id, fencing_token, status, output?, error?, run_at?, steps: [{node_id, kind,
/// status, ...}]}`. Answers whether it was written.
pub async fn record(
    executor: impl PgExecutor<'_>,
    worker: &str,
    result: &Value,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(RECORD)
        .bind(worker)
        .bind(result)
        .fetch_one(executor)
        .await
}

const RECORD: &str = include_str!("../fixtures/record.sql");
