use uuid::Uuid;

use super::Queue;

/// Which export: the key of `tenant_exports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportKey {
    pub tenant_id: Uuid,
    pub id: Uuid,
}

/// An export that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    pub key: ExportKey,
    pub lines: i64,
    pub bytes: i64,
}

/// An export that did not get ready, and why.
#[derive(Debug)]
pub struct ExportFailure {
    /// `None` when it is not even known which one would have been next.
    pub key: Option<ExportKey>,
    pub error: sqlx::Error,
}

impl Queue {
    /// Makes one whole export; `None` when none was asked for.
    ///
    /// All of it is one transaction that sees one moment of the database, so the lines of one export never contradict each other.
    ///
    /// # Errors
    /// What the database answered; then nothing is written.
    pub async fn run_next_export(&self) -> Result<Option<Exported>, ExportFailure> {
        let mut key = None;
        let exported = self.export_once(&mut key).await;
        self.note("run_next_export", exported)
            .map_err(|error| ExportFailure { key, error })
    }

    async fn export_once(&self, key: &mut Option<ExportKey>) -> sqlx::Result<Option<Exported>> {
        let mut transaction = self
            .pool
            .begin_with("begin isolation level repeatable read")
            .await?;
        // A failure aborts the transaction, so which export it was has to be known before.
        *key = sqlx::query_as!(
            ExportKey,
            r#"select tenant_id as "tenant_id!", id as "id!" from queue.next_export()"#
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let row = sqlx::query!(
            r#"select tenant_id as "tenant_id!", id as "id!", lines as "lines!", bytes as "bytes!"
                 from queue.run_next_export()"#
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row.map(|row| Exported {
            key: ExportKey {
                tenant_id: row.tenant_id,
                id: row.id,
            },
            lines: row.lines,
            bytes: row.bytes,
        }))
    }
}
