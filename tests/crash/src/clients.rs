//! Those who start executions and cancel some of them, as PostgREST would for them: a transaction a call, which is made again when its answer
//! was lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{Acquire, PgConnection};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::postgres::{Postgres, is_lost};
use crate::schedule::{Start, What};
use crate::world::{owner_of, workflow_id};

/// What was answered to the clients.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// The executions that a key was answered with: the same one each time.
    pub by_key: HashMap<String, Vec<Uuid>>,
    /// And a batch: once, and as many as were asked for.
    pub by_batch: HashMap<String, Vec<Uuid>>,
    pub workflows: HashMap<Uuid, usize>,
    /// Whom somebody has asked to be cancelled, and the status that was answered.
    pub cancelled: HashMap<Uuid, Cancelled>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// The call was accepted; so the execution said then.
    Answered(String),
    /// It was over already.
    TooLate,
}

#[derive(Default)]
pub struct Shared {
    pub answers: Mutex<Answers>,
    /// Executions that were accepted.
    pub accepted: AtomicU32,
    /// Calls that had to be made again.
    pub lost: AtomicU32,
}

impl Shared {
    pub fn with<T>(&self, change: impl FnOnce(&mut Answers) -> T) -> T {
        change(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An execution that is to be cancelled.
pub struct Cancel {
    at: Instant,
    execution: Uuid,
    workflow: usize,
}

pub struct Starter {
    pub postgres: Arc<Postgres>,
    pub shared: Arc<Shared>,
    pub cancels: mpsc::UnboundedSender<Cancel>,
    pub begun: Instant,
}

impl Starter {
    pub async fn run(self, starts: Vec<Start>) -> Result<()> {
        let mut session = self.postgres.session().await?;
        for start in starts {
            sleep_until(self.begun + start.at).await;
            let started = loop {
                match make(&mut session, &start).await {
                    Ok(started) => break started,
                    Err(error) if is_lost(&error) => {
                        self.shared.lost.fetch_add(1, Ordering::Relaxed);
                        session = self.postgres.session().await?;
                        // It has no key: whether it was accepted is seen by what it would have made.
                        if let Some(made) = made_before(&mut session, &start).await? {
                            break made;
                        }
                    }
                    Err(error) => bail!("a start was refused: {error}: {start:?}"),
                }
            };
            self.take_down(&start, &started);
            if let (Some(after), Some(execution)) = (start.cancel_after, started.first()) {
                let _ = self.cancels.send(Cancel {
                    at: Instant::now() + after,
                    execution: *execution,
                    workflow: start.workflow,
                });
            }
        }
        Ok(())
    }

    fn take_down(&self, start: &Start, started: &[Uuid]) {
        let new = self.shared.with(|answers| {
            let known = answers.workflows.len();
            let of_workflow = started.iter().map(|id| (*id, start.workflow));
            answers.workflows.extend(of_workflow);
            let place = match &start.what {
                What::One { key } | What::Again { key } => {
                    answers.by_key.entry(key.clone()).or_default()
                }
                What::Many { batch, .. } => answers.by_batch.entry(batch.clone()).or_default(),
            };
            place.extend(started);
            answers.workflows.len() - known
        });
        let new = u32::try_from(new).unwrap_or(0);
        self.shared.accepted.fetch_add(new, Ordering::Relaxed);
    }
}

async fn make(session: &mut PgConnection, start: &Start) -> sqlx::Result<Vec<Uuid>> {
    let mut call = session.begin().await?;
    owner_of(start.workflow).act(&mut call).await?;
    let workflow = workflow_id(start.workflow);
    let started = match &start.what {
        What::One { key } | What::Again { key } => {
            let id = sqlx::query_scalar("select id from public.start_execution($1, $2, $3)")
                .bind(workflow)
                .bind(json!({ "key": key }))
                .bind(key)
                .fetch_one(&mut *call)
                .await?;
            vec![id]
        }
        What::Many { batch, count } => {
            let inputs: Vec<_> = (0..*count)
                .map(|number| Json(json!({"batch": batch, "number": number})))
                .collect();
            sqlx::query_scalar("select public.start_executions($1, $2)")
                .bind(workflow)
                .bind(inputs)
                .fetch_one(&mut *call)
                .await?
        }
    };
    call.commit().await?;
    Ok(started)
}

/// What a call without a key has made, if it was accepted. The server that was to answer is gone, and nothing of it can come later.
async fn made_before(session: &mut PgConnection, start: &Start) -> Result<Option<Vec<Uuid>>> {
    let What::Many { batch, .. } = &start.what else {
        return Ok(None);
    };
    let made: sqlx::Result<Vec<Uuid>> =
        sqlx::query_scalar("select id from public.executions where input ->> 'batch' = $1")
            .bind(batch)
            .fetch_all(session)
            .await;
    match made {
        Ok(made) => Ok((!made.is_empty()).then_some(made)),
        // Killed again meanwhile. Then the call is made again, fails, and is asked about once more.
        Err(error) if is_lost(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Cancels what comes, one after the other.
pub async fn cancel_all(
    postgres: Arc<Postgres>,
    shared: Arc<Shared>,
    mut cancels: mpsc::UnboundedReceiver<Cancel>,
) -> Result<()> {
    let mut session = postgres.session().await?;
    while let Some(cancel) = cancels.recv().await {
        sleep_until(cancel.at).await;
        let answered = loop {
            match cancel_one(&mut session, &cancel).await {
                Ok(status) => break Cancelled::Answered(status),
                Err(sqlx::Error::Database(error))
                    if error.message().contains("execution_finished") =>
                {
                    // Perhaps by this very call, whose answer was lost.
                    break Cancelled::TooLate;
                }
                Err(error) if is_lost(&error) => {
                    shared.lost.fetch_add(1, Ordering::Relaxed);
                    session = postgres.session().await?;
                }
                Err(error) => bail!("a cancellation was refused: {error}"),
            }
        };
        shared.with(|answers| answers.cancelled.insert(cancel.execution, answered));
    }
    Ok(())
}

async fn cancel_one(session: &mut PgConnection, cancel: &Cancel) -> sqlx::Result<String> {
    let mut call = session.begin().await?;
    owner_of(cancel.workflow).act(&mut call).await?;
    let status = sqlx::query_scalar("select status from public.cancel_execution($1)")
        .bind(cancel.execution)
        .fetch_one(&mut *call)
        .await?;
    call.commit().await?;
    Ok(status)
}
