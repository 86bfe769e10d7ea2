//! The vector of a question.

use std::time::Duration;

use llm::tokens_of_text;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::embedding::Asker;
use crate::nodes::{Call, Effects};
use crate::queue::{EmbeddedQuery, Queue, refusal};

/// The model waits for its tool.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a question. What comes after is left out, as in a search by words.
const MOST_CHARS: usize = 2_000;
const MOST_TRIES: usize = 5;

/// `None` when the documents have no vectors, the plan has no tokens for it, or it cannot be made now.
pub(super) async fn vector(
    world: &Effects,
    call: &Call,
    agent: Uuid,
    question: &str,
) -> Option<Vec<f32>> {
    let text: String = question.chars().take(MOST_CHARS).collect();
    if text.trim().is_empty() {
        return None;
    }
    let tokens = tokens_of_text(text.chars().count());
    let prepared = world
        .queue
        .prepare_query_embedding(call.claim, agent, tokens)
        .await;
    let prepared = match prepared {
        Ok(prepared) => prepared?,
        Err(error) => {
            if refusal(&error).is_none() {
                tracing::warn!(%error, "cannot prepare to embed a question");
            }
            return None;
        }
    };
    let (embedded, usage) = match world
        .secrets
        .provider_keys(call.claim, &prepared.own_keys)
        .await
    {
        Ok(own_keys) => {
            let asker = Asker {
                providers: &world.providers,
                own_keys: &own_keys,
                agent,
                timeout: TIMEOUT,
            };
            match asker.embed(&prepared.model, &[text]).await {
                Ok(embedded) => (Some(embedded.vectors), Some(embedded.usage)),
                Err(failed) => {
                    tracing::debug!(error = %failed.error, "a question could not be embedded");
                    (None, failed.usage)
                }
            }
        }
        Err(_) => (None, None),
    };
    let taken = EmbeddedQuery::of(call, prepared.reservation, usage);
    // It is written down although the step be stopped at this moment. What cannot be is given back when its lease is over.
    let _ = tokio::spawn(write_down(world.queue.clone(), taken)).await;
    embedded
}

async fn write_down(queue: Queue, taken: EmbeddedQuery) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    for _ in 0..MOST_TRIES {
        match queue.record_query_embedding(&taken).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "cannot write down what a question took"),
        }
        tokio::time::sleep(backoff.wait(rand::random())).await;
    }
}
