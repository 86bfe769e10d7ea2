use std::collections::{BTreeMap, BTreeSet};

use agents::ToolError;
use futures::FutureExt;
use futures::future::BoxFuture;
use outbound::Secrets;
use secrecy::SecretString;

use super::told;
use crate::nodes::Stopped;
use crate::queue::Claim;
use crate::secrets::Opener;

/// Of the tenant whose step it is, for as long as its claim is good.
pub(super) struct StepSecrets<'a> {
    pub opener: &'a Opener,
    pub claim: Claim,
}

impl Secrets for StepSecrets<'_> {
    type Error = Stopped;

    fn open<'a>(
        &'a self,
        names: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretString>, Stopped>> {
        self.opener.open(self.claim, names).boxed()
    }

    fn told(stopped: Stopped) -> ToolError {
        told(stopped)
    }
}
