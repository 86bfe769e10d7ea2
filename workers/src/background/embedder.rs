//! Has the pieces of agents' documents embedded that have no vector yet.

use std::time::Duration;

use futures::future::join_all;
use llm::{ErrorKind, Providers};
use serde_json::Value;

use super::{Chore, Turn};
use crate::backoff::Backoff;
use crate::embedding::{Asker, Embedded, NotEmbedded};
use crate::nodes::{Failure, Redaction};
use crate::queue::{
    EmbeddingBatch, EmbeddingClaim, EmbeddingFailure, EmbeddingOutcome, Queue, is_refused_content,
};
use crate::secrets::Opener;

/// Agents of one turn, each with one call, at the same time.
const MOST: usize = 8;
/// Of one call, its retries included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than a call and its record take. What is not recorded by then is embedded again by somebody else, and the provider bills it twice.
const LEASE: Duration = Duration::from_secs(180);
/// What was answered is paid, so it is not given up lightly.
const MOST_TRIES: usize = 5;

/// One call of a model for each agent that it takes up.
pub struct Embedder {
    pub queue: Queue,
    pub providers: Providers,
    pub secrets: Opener,
}

impl Embedder {
    async fn embed_next(&self, claim: EmbeddingClaim) -> sqlx::Result<()> {
        let Some(batch) = self.queue.begin_embedding(claim).await? else {
            return Ok(());
        };
        let outcome = match self.ask(claim, &batch).await {
            Ok(embedded) => self.keep(claim, &batch, &embedded).await?,
            Err(failure) => self.give_up(claim, &batch, &failure).await?,
        };
        metrics::counter!("aias_worker_embedding_calls_total", "outcome" => outcome).increment(1);
        Ok(())
    }

    async fn ask(
        &self,
        claim: EmbeddingClaim,
        batch: &EmbeddingBatch,
    ) -> Result<Embedded, EmbeddingFailure> {
        let own_keys = self
            .secrets
            .provider_keys_of(claim.tenant_id, &batch.own_keys)
            .await
            .map_err(unopened)?;
        let asker = Asker {
            providers: &self.providers,
            own_keys: &own_keys,
            agent: claim.agent_id,
            timeout: TIMEOUT,
        };
        let answer = asker.embed(&batch.model, &batch.texts).await;
        // The other side may send back what it was sent.
        let redaction = Redaction::of(&own_keys, &Value::Null, &Value::Null);
        answer.map_err(|failed| {
            let mut failure = failure(failed);
            failure.why = redaction.text(&failure.why).into_owned();
            failure
        })
    }

    async fn keep(
        &self,
        claim: EmbeddingClaim,
        batch: &EmbeddingBatch,
        embedded: &Embedded,
    ) -> sqlx::Result<&'static str> {
        let recorded = insist(|| self.queue.record_embeddings(claim, batch, embedded)).await;
        match recorded {
            Ok(true) => Ok("embedded"),
            Ok(false) => Ok("late"),
            // It would be refused again, and paid again.
            Err(error) if is_refused_content(&error) => {
                tracing::error!(tenant_id = %claim.tenant_id, agent_id = %claim.agent_id, %error, "vectors cannot be recorded");
                let failure = EmbeddingFailure {
                    outcome: EmbeddingOutcome::Failed,
                    why: "the vectors could not be kept; the operator's log says why".to_owned(),
                    retry_after: None,
                    usage: Some(embedded.usage.clone()),
                };
                self.give_up(claim, batch, &failure).await
            }
            Err(error) => Err(error),
        }
    }

    async fn give_up(
        &self,
        claim: EmbeddingClaim,
        batch: &EmbeddingBatch,
        failure: &EmbeddingFailure,
    ) -> sqlx::Result<&'static str> {
        let recorded = insist(|| self.queue.fail_embeddings(claim, batch, failure)).await?;
        Ok(if recorded {
            failure.outcome.as_str()
        } else {
            "late"
        })
    }
}

/// Says something to the database until it has heard it, a few times.
async fn insist<T, F: Future<Output = sqlx::Result<T>>>(
    mut say: impl FnMut() -> F,
) -> sqlx::Result<T> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    for _ in 1..MOST_TRIES {
        match say().await {
            Err(error) if !is_refused_content(&error) => {
                tracing::warn!(%error, "cannot write down what became of a batch of documents");
            }
            said => return said,
        }
        tokio::time::sleep(backoff.wait(rand::random())).await;
    }
    say().await
}

/// The tenant's own key cannot be had.
fn unopened(failed: Failure) -> EmbeddingFailure {
    // Another worker may have the master key, and an operator may give it to this one.
    let is_passing = failed.retryable || failed.code == "secrets_not_configured";
    EmbeddingFailure {
        outcome: if is_passing {
            EmbeddingOutcome::Later
        } else {
            EmbeddingOutcome::Failed
        },
        why: failed.message,
        retry_after: None,
        usage: None,
    }
}

fn failure(failed: NotEmbedded) -> EmbeddingFailure {
    let NotEmbedded { error, usage } = failed;
    let outcome = match error.kind {
        _ if error.is_retryable() => EmbeddingOutcome::Later,
        ErrorKind::InvalidRequest | ErrorKind::Refused => EmbeddingOutcome::Refused,
        _ => EmbeddingOutcome::Failed,
    };
    EmbeddingFailure {
        outcome,
        why: error.to_string(),
        retry_after: error.retry_after(),
        usage,
    }
}

impl Chore for Embedder {
    const NAME: &'static str = "embed_documents";
    const REST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

    async fn turn(&self) -> anyhow::Result<Turn> {
        let claims = self.queue.claim_embeddings(MOST, LEASE).await?;
        let done = join_all(claims.iter().map(|claim| self.embed_next(*claim))).await;
        done.into_iter().collect::<sqlx::Result<()>>()?;
        Ok(Turn::more_if(!claims.is_empty()))
    }
}
