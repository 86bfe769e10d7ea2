use super::api_key::{self, KeyHash};
use super::caller::Caller;
use crate::database::Database;
use crate::error::ApiError;
use crate::kept::{Found, Kept};

/// API keys that were good a moment ago, for routes that are called so often that asking each time would be most of what they do.
///
/// A key that is revoked is refused there within a second. It is kept by its hash.
#[derive(Clone, Default)]
pub struct KnownKeys(Kept<KeyHash, Caller>);

impl KnownKeys {
    /// # Errors
    /// As [`api_key::authenticate`].
    pub(super) async fn authenticate(
        &self,
        database: &Database,
        key: &str,
    ) -> Result<Caller, ApiError> {
        let hash = KeyHash::of(key).ok_or_else(api_key::not_a_key)?;
        let caller = match self.0.get(&hash) {
            Found::No => {
                let caller = api_key::caller_of(database, &hash).await?;
                self.0.put(hash, caller.clone());
                caller
            }
            Found::Good(caller) => caller,
            Found::Aging(caller) => {
                let (known, database) = (self.0.clone(), database.clone());
                tokio::spawn(async move {
                    match api_key::caller_of(&database, &hash).await {
                        Ok(caller) => known.put(hash, caller),
                        // It is asked again when it is too old.
                        Err(ApiError::Unavailable(_)) => {}
                        Err(_) => known.forget(&hash),
                    }
                });
                caller
            }
        };
        match caller.remaining() {
            Some(remaining) if remaining.is_zero() => Err(caller.expired()),
            _ => Ok(caller),
        }
    }
}
