//! What can go wrong, said without a byte of any key or secret.

use std::error::Error;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// `master_key_unknown`: the row names a master key that this process was not given.
    #[error("the master key {0} is not among those that this process was given")]
    MasterKeyUnknown(String),
    /// `master_key_unavailable`: the provider of master keys did not do its part; the same may succeed later.
    #[error("the provider of master keys did not answer")]
    MasterKeyUnavailable(#[source] Box<dyn Error + Send + Sync>),
    /// `data_key_unreadable`: it was changed, or belongs to another tenant.
    #[error("the tenant's data key does not open: it was changed, or it is another tenant's")]
    DataKeyUnreadable,
    /// `secret_unreadable`: it was changed, or belongs to another tenant or name.
    #[error("the secret does not open: it was changed, or it was sealed for another place")]
    SecretUnreadable,
    /// `encryption_failed`: the operating system had no random bytes.
    #[error("nothing could be encrypted: there are no random bytes")]
    EncryptionFailed,
}

impl VaultError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MasterKeyUnknown(_) => "master_key_unknown",
            Self::MasterKeyUnavailable(_) => "master_key_unavailable",
            Self::DataKeyUnreadable => "data_key_unreadable",
            Self::SecretUnreadable => "secret_unreadable",
            Self::EncryptionFailed => "encryption_failed",
        }
    }

    /// Whether the same may succeed later without anybody doing anything about it.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::MasterKeyUnavailable(_) | Self::EncryptionFailed)
    }
}

/// A variable of master keys that cannot be used. Its value is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct MasterKeyError {
    pub variable: &'static str,
    pub problem: String,
}
