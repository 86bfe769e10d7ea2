//! How many calls are made at once. A place is numbered: it is also one in the journal.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub struct Places(Arc<Mutex<Vec<usize>>>);

/// Somebody's, until it is dropped.
pub struct Place {
    number: usize,
    places: Places,
}

impl Places {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new((0..count).rev().collect())))
    }

    pub fn take(&self) -> Option<Place> {
        let number = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()?;
        Some(Place {
            number,
            places: self.clone(),
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
        let mut free = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let (first, second) = (places.take().unwrap(), places.take().unwrap());
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(places.take().is_none());
        drop(first);
        assert_eq!(places.take().unwrap().number(), 0);
    }
}
