use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::error::ApiError;

/// How many streams each user has open, so that one cannot take the places of all others.
#[derive(Clone)]
pub(super) struct PerUser {
    limit: usize,
    open: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// One stream's place, given back when dropped.
pub(super) struct UserPlace {
    user_id: Uuid,
    per_user: PerUser,
}

impl PerUser {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Arc::default(),
        }
    }

    pub(super) fn take(&self, user_id: Uuid) -> Result<UserPlace, ApiError> {
        let mut open = self.lock();
        let count = open.entry(user_id).or_default();
        if *count >= self.limit {
            return Err(ApiError::TooManyStreams);
        }
        *count += 1;
        Ok(UserPlace {
            user_id,
            per_user: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        let mut open = self.per_user.lock();
        if let Some(count) = open.get_mut(&self.user_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user_id);
            }
        }
    }
}
