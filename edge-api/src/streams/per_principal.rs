use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::error::ApiError;

/// How many streams each person and each API key has open, so that one cannot take the places of all others.
#[derive(Clone)]
pub(super) struct PerPrincipal {
    limit: usize,
    open: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// One stream's place, given back when dropped.
pub(super) struct PrincipalPlace {
    principal: Uuid,
    per_principal: PerPrincipal,
}

impl PerPrincipal {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Arc::default(),
        }
    }

    pub(super) fn take(&self, principal: Uuid) -> Result<PrincipalPlace, ApiError> {
        let mut open = self.lock();
        let count = open.entry(principal).or_default();
        if *count >= self.limit {
            return Err(ApiError::TooManyStreams);
        }
        *count += 1;
        Ok(PrincipalPlace {
            principal,
            per_principal: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PrincipalPlace {
    fn drop(&mut self) {
        let mut open = self.per_principal.lock();
        if let Some(count) = open.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.principal);
            }
        }
    }
}
