//! What one client sees of one execution, in order.
//!
//! Each look is one read-only transaction as the caller: first the execution, then the steps after the last one that was sent. Steps
//! are written in the transaction that raises the execution's revision, so an execution that looks finished has all of its steps there
//! to be read; and everything up to a revision is visible once that revision is.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::Event;
use futures::stream::{self, Stream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::row::{ExecutionRow, NO_SUCH_EXECUTION};
use crate::database::CallerSession;
use crate::error::ApiError;
use crate::request_id;
use crate::streams::{Streams, Watch};

/// Steps per look; what is left is read in the next, so that a long history does not sit in memory for a slow client.
const PAGE: i64 = 100;

pub struct EventStream {
    session: CallerSession,
    watch: Watch,
    stopping: CancellationToken,
    execution_id: Uuid,
    /// None for a key without an end.
    expires: Option<Instant>,
    /// The revision of the last step that was sent.
    sent: i64,
    /// The execution's revision up to which every step was sent.
    complete: Option<i64>,
    /// The status that was last sent.
    status: Option<String>,
    /// Read when the stream was opened, not yet sent.
    opened: Option<Vec<Event>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is more to read at once.
    Behind,
    UpToDate,
    Ended,
}

enum Turn {
    Look,
    Stopping,
    Expired,
}

struct Step {
    revision: i64,
    json: String,
}

impl EventStream {
    /// Looks once before answering, so that an execution that is not visible is a 404 and not a stream.
    pub async fn open(
        session: CallerSession,
        streams: &Streams,
        execution_id: Uuid,
        last_event_id: i64,
    ) -> Result<Self, ApiError> {
        let remaining = session.caller().remaining();
        let mut stream = Self {
            // Before the first look, so that no change falls between.
            watch: streams.watch(&session.caller().principal, execution_id)?,
            stopping: streams.stopping(),
            session: session.read_only(),
            execution_id,
            expires: remaining.map(|remaining| Instant::now() + remaining),
            sent: last_event_id,
            complete: None,
            status: None,
            opened: None,
            state: State::Behind,
        };
        let mut events = vec![Event::default().retry(Duration::from_secs(1))];
        events.extend(stream.look().await?);
        stream.opened = Some(events);
        Ok(stream)
    }

    /// The stream lives on after its request was answered, and keeps the request's id and span.
    pub fn into_events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let id = request_id::current().unwrap_or(HeaderValue::from_static("none"));
        let span = Span::current();
        let batches = stream::unfold(self, move |mut stream| {
            let batch = async move { stream.next().await.map(|events| (events, stream)) };
            request_id::scope(id.clone(), batch).instrument(span.clone())
        });
        batches.flat_map(|events| stream::iter(events.into_iter().map(Ok)))
    }

    /// The next events; None after the end. Dropped at any point, it leaves nothing behind.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if let Some(events) = self.opened.take() {
            return Some(events);
        }
        while self.state != State::Ended {
            let events = match self.turn().await {
                Turn::Stopping => self.end(
                    Event::default()
                        .comment("this server is stopping; resume with the last event id"),
                ),
                Turn::Expired => self.end(error_event(&self.session.caller().expired())),
                Turn::Look => match self.look().await {
                    Ok(events) => events,
                    // It will be back, and nothing was lost: the client needs not know.
                    Err(ApiError::Unavailable(_) | ApiError::Timeout) => {
                        self.state = State::UpToDate;
                        continue;
                    }
                    Err(error) => {
                        error.record();
                        self.end(error_event(&error))
                    }
                },
            };
            if !events.is_empty() {
                return Some(events);
            }
        }
        None
    }

    async fn turn(&mut self) -> Turn {
        let state = self.state;
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Turn::Stopping,
            () = until(self.expires) => Turn::Expired,
            () = self.watch.may_have_changed(), if state == State::UpToDate => Turn::Look,
            () = std::future::ready(()), if state == State::Behind => Turn::Look,
        }
    }

    async fn look(&mut self) -> Result<Vec<Event>, ApiError> {
        let _turn = self.watch.turn_to_read().await;
        let mut transaction = self.session.begin().await?;
        let execution = ExecutionRow::find(&mut transaction, self.execution_id)
            .await?
            .ok_or(NO_SUCH_EXECUTION)?;
        if self.sent > execution.revision {
            // An id that this execution never gave out. Everything again is better than nothing.
            self.sent = 0;
        }
        let steps = if self.complete == Some(execution.revision) {
            Vec::new()
        } else {
            let steps = sqlx::query_as!(
                Step,
                r#"
                select s.revision, row_to_json(s)::text as "json!"
                  from public.execution_steps s
                 where s.tenant_id = $1 and s.execution_id = $2 and s.revision > $3
                 order by s.revision
                 limit $4
                "#,
                execution.tenant_id,
                execution.id,
                self.sent,
                PAGE
            );
            steps.fetch_all(&mut *transaction).await?
        };
        transaction.commit().await?;
        Ok(self.tell(&execution, steps))
    }

    /// What is new to the client. The end of an execution comes after its last step.
    fn tell(&mut self, execution: &ExecutionRow, steps: Vec<Step>) -> Vec<Event> {
        let mut events = Vec::with_capacity(steps.len() + 1);
        let is_last_page = (steps.len() as i64) < PAGE;
        if !execution.is_finished() && self.status.as_ref() != Some(&execution.status) {
            self.status = Some(execution.status.clone());
            events.push(Event::default().event("execution").data(&execution.json));
        }
        for step in steps {
            self.sent = step.revision;
            events.push(
                Event::default()
                    .event("step")
                    .id(step.revision.to_string())
                    .data(step.json),
            );
        }
        self.state = match (is_last_page, execution.is_finished()) {
            (false, _) => State::Behind,
            (true, false) => State::UpToDate,
            (true, true) => {
                events.push(Event::default().event("execution").data(&execution.json));
                State::Ended
            }
        };
        if is_last_page {
            self.complete = Some(execution.revision);
        }
        events
    }

    fn end(&mut self, last: Event) -> Vec<Event> {
        self.state = State::Ended;
        vec![last]
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn error_event(error: &ApiError) -> Event {
    let event = Event::default().event("error");
    event
        .json_data(error.body())
        .unwrap_or_else(|_| Event::default().event("error").data("{}"))
}
