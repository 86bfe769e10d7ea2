//! How many calls are made at once, or are not written down yet. A place is numbered: it is also one in the journal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Somebody waits for a place for so long: when the database is slower than calls are, they go at its pace.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    numbers: Arc<Mutex<Vec<usize>>>,
}

/// Somebody's, until it is dropped.
pub struct Place {
    number: usize,
    places: Places,
    /// Given back after the number.
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(count)),
            numbers: Arc::new(Mutex::new((0..count).rev().collect())),
        }
    }

    /// None when none becomes free for a second.
    pub async fn take(&self) -> Option<Place> {
        let permit = timeout(PATIENCE, self.free.clone().acquire_owned()).await;
        let permit = permit.ok()?.ok()?;
        // There is one for each permit.
        let number = self
            .numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()?;
        Some(Place {
            number,
            places: self.clone(),
            _permit: permit,
        })
    }
}

impl Place {
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let numbers = self.places.numbers.lock();
        numbers
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let first = places.take().await.unwrap();
        let second = places.take().await.unwrap();
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(places.take().await.is_none());
        drop(first);
        assert_eq!(places.take().await.unwrap().number(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_has_the_next_one() {
        let places = Places::new(1);
        let first = places.take().await.unwrap();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await.map(|place| place.number()) }
        });
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Some(0));
    }
}
