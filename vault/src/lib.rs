//! Secrets of tenants, and their own keys to providers of models, as they are kept: envelope encryption.
//!
//! ```text
//! master key (the operator's)  ──wraps──►  data key (one a tenant)  ──seals──►  values
//! ```
//!
//! Pure: no database and no network of its own. Whoever calls keeps what is sealed; this crate makes it and opens it again. All of it is
//! AES-256-GCM (NIST SP 800-38D). What is sealed is bound to its place by associated data, so a row that was copied to another tenant,
//! under another name or to another kind of value does not open.

mod cipher;
mod data_key;
mod error;
mod last_four;
mod master;
mod place;
mod vault;

pub use data_key::DataKey;
pub use error::{MasterKeyError, VaultError};
pub use last_four::last_four;
pub use master::{KeyRing, MasterKeys};
pub use place::{KeyPlace, Slot, is_secret_name};
pub use vault::{Sealed, Vault, WrappedKey};
