//! What is known of a stack that was brought up: `stack.json`, readable by its owner only.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_private};
use crate::ports::Ports;
use crate::supervisor::Service;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stack {
    pub ports: Ports,
    /// PostgREST at `/rest/v1`, Auth at `/auth/v1`.
    pub supabase_url: String,
    pub edge_url: String,
    /// For the superuser of a local cluster, or what `--database-url` said.
    pub database_url: String,
    /// None for an existing Supabase whose key nobody told.
    pub publishable_key: Option<String>,
    pub secret_key: Option<String>,
    pub jwt_secret: Option<String>,
    /// Whether the database is ours: made, migrated and seeded by `up`.
    pub local: bool,
    /// How to start each service again, in order.
    pub services: Vec<Service>,
}

impl Stack {
    pub fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.stack();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).with_context(|| {
                    format!("{} is damaged", path.display())
                })?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// The stack of a directory, or a sentence that says how to get one.
    pub fn demand(layout: &Layout) -> Result<Self> {
        Self::load(layout)?.with_context(|| {
            format!(
                "no stack runs in {}; `cargo xtask up` starts one",
                layout.dir().display()
            )
        })
    }

    pub fn save(&self, layout: &Layout) -> Result<()> {
        write_private(&layout.stack(), &serde_json::to_string_pretty(self)?)?;
        let lines: String = self
            .client_environment()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        write_private(&layout.env(), &lines)
    }

    pub fn forget(layout: &Layout) -> Result<()> {
        for path in [layout.stack(), layout.env()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("removing {}", path.display()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a frontend needs, for `node --env-file`. No secret is among it.
    fn client_environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("SUPABASE_URL", self.supabase_url.clone()),
            ("AIAS_EDGE_URL", self.edge_url.clone()),
        ];
        if let Some(key) = &self.publishable_key {
            variables.push(("SUPABASE_PUBLISHABLE_KEY", key.clone()));
        }
        variables
    }
}
