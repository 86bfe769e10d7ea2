//! An export, chunk by chunk: one is in memory at a time, and no connection is held while a slow client takes it.
//!
//! A finished export does not change, so chunks read in different transactions are of one piece. Each is read as the caller: who is
//! removed from the tenant, or whose key is revoked, gets no more of it. That a session's token runs out meanwhile does not matter. What is
//! sent was theirs to take when they asked, and a large file over a slow line could otherwise never be had.

use std::io;
use std::time::Duration;

use axum::http::HeaderValue;
use futures::stream::{self, Stream};
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::database::CallerSession;
use crate::error::ApiError;
use crate::request_id;
use crate::streams::{StreamPlace, Streams};

/// How often a chunk is tried for, a second apart, while the database is away: a restart should not cost what was sent so far.
const TRIES: usize = 10;

pub struct Chunks {
    session: CallerSession,
    streams: Streams,
    _place: StreamPlace,
    export_id: Uuid,
    /// The number of the chunk that is read next; the first is 1.
    next: i32,
    /// Read when the download was opened, not yet sent.
    opened: Option<String>,
    ended: bool,
}

impl Chunks {
    /// Reads the first chunk before anything is answered, so that what is wrong has a status.
    pub async fn open(
        session: CallerSession,
        streams: Streams,
        export_id: Uuid,
    ) -> Result<Self, ApiError> {
        let mut chunks = Self {
            _place: streams.take_place(&session.caller().principal)?,
            session,
            streams,
            export_id,
            next: 1,
            opened: None,
            ended: false,
        };
        chunks.opened = chunks.read().await?;
        chunks.ended = chunks.opened.is_none();
        Ok(chunks)
    }

    /// The download lives on after its request was answered, and keeps the request's id and span. An error cuts it off, so that a client
    /// cannot take a part for the whole.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<String>> {
        let id = request_id::current().unwrap_or(HeaderValue::from_static("none"));
        let span = Span::current();
        stream::unfold(self, move |mut chunks| {
            let chunk = async move { chunks.following().await.map(|chunk| (chunk, chunks)) };
            request_id::scope(id.clone(), chunk).instrument(span.clone())
        })
    }

    /// What is sent next; None after the end.
    async fn following(&mut self) -> Option<io::Result<String>> {
        if let Some(chunk) = self.opened.take() {
            return Some(Ok(chunk));
        }
        if self.ended {
            return None;
        }
        let chunk = self.read_patiently().await;
        self.ended = !matches!(chunk, Ok(Some(_)));
        chunk.map_err(cut_off).transpose()
    }

    async fn read_patiently(&mut self) -> Result<Option<String>, ApiError> {
        let mut tries = 1;
        loop {
            match self.read().await {
                Err(ApiError::Unavailable(_) | ApiError::Timeout) if tries < TRIES => tries += 1,
                other => return other,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn read(&mut self) -> Result<Option<String>, ApiError> {
        let _turn = self.streams.turn_to_read().await;
        let mut transaction = self.session.begin().await?;
        let chunk = sqlx::query_scalar!(
            "select public.export_chunk($1, $2)",
            self.export_id,
            self.next
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.next += 1;
        Ok(chunk)
    }
}

fn cut_off(error: ApiError) -> io::Error {
    error.record();
    let code = error.body().code;
    tracing::warn!(code, "a download was cut off");
    io::Error::other(code)
}
