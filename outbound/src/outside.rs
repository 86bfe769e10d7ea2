//! How what tenants have called is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agents::ToolError;
use futures::future::BoxFuture;
use secrecy::SecretString;
use workflow::expression::Engine;

use crate::http::Clients;
use crate::{Failure, HttpAllow};

/// Of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ways {
    pub clients: Clients,
    /// Puts secrets into headers.
    pub engine: Arc<Engine>,
}

impl Ways {
    /// # Errors
    /// When the platform's certificates cannot be loaded.
    pub fn new(allow: HttpAllow) -> reqwest::Result<Self> {
        Ok(Self {
            clients: Clients::new(allow)?,
            engine: Arc::new(Engine::new()),
        })
    }
}

/// Opens secrets of the tenant for which something is called.
pub trait Secrets: Send + Sync {
    /// What can go wrong with a call, and whatever else there is that ends it.
    type Error: From<Failure> + Send;

    /// The values of these, as they are now.
    fn open<'a>(
        &'a self,
        names: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretString>, Self::Error>>;

    /// The same as a model reads it.
    fn told(error: Self::Error) -> ToolError;
}

/// The ways out, for one caller.
pub struct Outside<S> {
    pub ways: Ways,
    pub secrets: S,
}
