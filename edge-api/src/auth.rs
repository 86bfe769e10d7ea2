//! Who asks: a Supabase access token or a tenant's API key, checked, becomes a [`Caller`].

mod api_key;
mod caller;
mod claims;
mod credential;
mod jwks;
mod known_keys;
mod verifier;

pub use self::api_key::KeyHash;
pub use self::caller::{Caller, Principal};
pub use self::claims::ClaimRules;
pub use self::jwks::{Jwks, JwksPace};
pub use self::known_keys::KnownKeys;
pub use self::verifier::Verifier;
