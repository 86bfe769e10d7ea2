//! How much at once, and for how long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// The places for requests that are being worked on.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

impl Places {
    pub fn new(number: usize) -> Self {
        Self(Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS))))
    }
}

/// A request's place. One that only waits from here on leaves it to others.
#[derive(Clone)]
pub struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    pub fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Refuses what is over the limit at once. A queue would only make everybody late.
pub async fn admit(
    State(places): State<Places>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let permit = places
        .0
        .try_acquire_owned()
        .map_err(|_| ApiError::Overloaded("too many requests are being served at the moment"))?;
    let place = Place(Arc::new(Mutex::new(Some(permit))));
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    place.leave();
    Ok(response)
}

/// Gives a request up when the head of its answer is not there in time; its transaction is rolled back. The body of an answer, such as
/// an event stream, may take as long as it likes.
pub async fn give_up_after(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| ApiError::Timeout)
}
