//! Who asks: a Supabase access token, checked, becomes a [`Caller`].

mod caller;
mod claims;
mod jwks;
mod verifier;

pub use self::caller::Caller;
pub use self::claims::ClaimRules;
pub use self::jwks::{Jwks, JwksPace};
pub use self::verifier::Verifier;
