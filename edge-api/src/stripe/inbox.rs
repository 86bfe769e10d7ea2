//! Events on their way into the database. Those that come at the same time share one insert, and each is answered after its commit.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::database::Database;
use crate::error::{ApiError, is_unreachable};

/// One writes while the other waits for the disk. Nobody waits for company: what comes while both are at work is the next batch.
const WRITERS: usize = 2;
/// Events in one insert.
const MOST: usize = 128;

/// Where events stand in line. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    database: Database,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    writers: usize,
}

struct Waiting {
    body: String,
    answer: oneshot::Sender<Result<(), ApiError>>,
}

impl Inbox {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            line: Arc::default(),
        }
    }

    /// Returns when the event is kept for good: it survives whatever happens to this process and to the database.
    pub async fn keep(&self, body: String) -> Result<(), ApiError> {
        let (answer, answered) = oneshot::channel();
        if self.stand_in_line(Waiting { body, answer }) {
            // Not a part of this request: its client may leave, and others wait for the same insert.
            tokio::spawn(self.clone().write());
        }
        answered.await.unwrap_or_else(|_| {
            Err(ApiError::internal(anyhow::anyhow!(
                "an insert was broken off"
            )))
        })
    }

    /// Whether one more writer is wanted.
    fn stand_in_line(&self, waiting: Waiting) -> bool {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.push(waiting);
        let is_wanted = line.writers < WRITERS;
        line.writers += usize::from(is_wanted);
        is_wanted
    }

    /// The next in line; nobody when none is left, and then the writer is gone.
    fn next(&self) -> Vec<Waiting> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let many = line.waiting.len().min(MOST);
        line.writers -= usize::from(many == 0);
        line.waiting.drain(..many).collect()
    }

    async fn write(self) {
        loop {
            let batch = self.next();
            if batch.is_empty() {
                return;
            }
            self.write_batch(batch).await;
        }
    }

    async fn write_batch(&self, batch: Vec<Waiting>) {
        let (bodies, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.body, waiting.answer))
            .unzip();
        let kept = self.database.keep_stripe_events(&bodies).await;
        // One that cannot be kept must not take the others along.
        let is_to_be_parted =
            bodies.len() > 1 && kept.as_ref().is_err_and(|error| !is_unreachable(error));
        if !is_to_be_parted {
            for answer in answers {
                let _ = answer.send(told(&kept));
            }
            return;
        }
        for (body, answer) in bodies.iter().zip(answers) {
            let kept = self
                .database
                .keep_stripe_events(std::slice::from_ref(body))
                .await;
            let _ = answer.send(told(&kept));
        }
    }
}

fn told(kept: &Result<(), sqlx::Error>) -> Result<(), ApiError> {
    let Err(error) = kept else { return Ok(()) };
    if is_unreachable(error) {
        tracing::warn!(%error, "the database could not keep an event");
        return Err(ApiError::Unavailable(
            "the database cannot keep this at the moment",
        ));
    }
    let code = error.as_database_error().and_then(|error| error.code());
    // No JSON, or without an id, a type or a time.
    Err(match code.as_deref().map(|code| &code[..2]) {
        Some("22" | "23") => ApiError::bad_request("invalid_event", "this is no event of Stripe"),
        _ => ApiError::internal(anyhow::anyhow!("keeping an event: {error}")),
    })
}
