//! The passwords and keys of one local stack, made once and kept in its directory.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_private};

/// The password of every seeded user; `seed.sql` holds it as bcrypt.
pub const SEEDED_PASSWORD: &str = "aias-local-password";

#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Owner of the cluster and of everything that migrations make.
    pub postgres_password: String,
    pub edge_password: String,
    pub worker_password: String,
    pub lite_password: String,
    /// Signs the access tokens of Auth (HS256).
    pub jwt_secret: String,
    pub publishable_key: String,
    pub secret_key: String,
    /// What secrets of tenants are kept under: base64 of 32 bytes. A stack of before there were any is given one.
    #[serde(default)]
    pub master_key: String,
}

impl Secrets {
    pub fn load_or_make(layout: &Layout) -> Result<Self> {
        let path = layout.secrets();
        if let Some(mut secrets) = Self::load(layout)? {
            if secrets.master_key.is_empty() {
                secrets.master_key = master_key();
                write_private(&path, &serde_json::to_string_pretty(&secrets)?)?;
            }
            return Ok(secrets);
        }
        let secrets = Self {
            postgres_password: random(32),
            edge_password: random(32),
            worker_password: random(32),
            lite_password: random(32),
            jwt_secret: random(48),
            // The form of Supabase's own keys.
            publishable_key: format!("sb_publishable_{}_{}", random(22), random(8)),
            secret_key: format!("sb_secret_{}_{}", random(22), random(8)),
            master_key: master_key(),
        };
        write_private(&path, &serde_json::to_string_pretty(&secrets)?)?;
        Ok(secrets)
    }

    pub fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.secrets();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let secrets = serde_json::from_str(&text).with_context(|| {
                    format!(
                        "{} is damaged; `cargo xtask down --purge` begins anew",
                        path.display()
                    )
                })?;
                Ok(Some(secrets))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
}

/// As `openssl rand -base64 32` makes one.
fn master_key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Letters and digits, fit for URLs and configuration files without quoting.
fn random(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}
