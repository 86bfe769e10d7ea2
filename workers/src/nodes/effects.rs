//! Carries out calls for real.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use llm::Providers;
use outbound::Ways;
use workflow::Kind;

use super::{
    Call, Failure, Perform, Redaction, Reserved, Stopped, Success, ai, call_workflow, email, http,
};
use crate::queue::Queue;
use crate::secrets::Opener;

/// The world as a worker's configuration opens it to steps.
pub struct Effects {
    pub ways: Ways,
    pub providers: Providers,
    pub queue: Queue,
    pub secrets: Opener,
}

impl Perform for Effects {
    fn perform<'a>(
        &'a self,
        call: Call,
        reserved: Reserved,
    ) -> BoxFuture<'a, Result<Success, Stopped>> {
        async move {
            let timeout = timeout_of(&call);
            match tokio::time::timeout(timeout, self.run(&call, timeout, reserved)).await {
                Ok(result) => result,
                Err(_) => Err(timed_out(call.kind, timeout).into()),
            }
        }
        .boxed()
    }
}

impl Effects {
    async fn run(
        &self,
        call: &Call,
        timeout: Duration,
        reserved: Reserved,
    ) -> Result<Success, Stopped> {
        match call.kind {
            Kind::Http => self.http(call).await,
            Kind::Email => email::run(&self.queue, call).await,
            Kind::Ai => {
                // A little less than the whole, so that the provider's side ends first and says what it has used.
                let inner = timeout.mul_f64(0.98);
                ai::run(self, call, inner, reserved).await
            }
            Kind::CallWorkflow => call_workflow::run(&self.queue, call).await,
            other => Err(Failure::not_runnable(other).into()),
        }
    }
}

impl Effects {
    async fn http(&self, call: &Call) -> Result<Success, Stopped> {
        let Some(with) = &call.secrets else {
            return Ok(http::run(&self.ways.clients, &call.config, &Redaction::default()).await?);
        };
        let secrets = self.secrets.open(call.claim, &with.names).await?;
        let (config, redaction) =
            with.fill(&self.ways.engine, call.kind, &call.config, &secrets)?;
        drop(secrets);
        Ok(http::run(&self.ways.clients, &config, &redaction).await?)
    }
}

/// What the node says; otherwise what is patient enough for its kind.
fn timeout_of(call: &Call) -> Duration {
    let default = match call.kind {
        // What the node says is for the called workflow; to start it is a matter of moments.
        Kind::CallWorkflow => return Duration::from_secs(30),
        Kind::Ai => 300.0,
        _ => 30.0,
    };
    let seconds = call
        .timeout
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .unwrap_or(default);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(3_600))
}

fn timed_out(kind: Kind, timeout: Duration) -> Failure {
    let code = match kind {
        Kind::Http => "http_timeout",
        Kind::Ai => "llm_timeout",
        _ => "timeout",
    };
    Failure::new(
        code,
        format!("the step was not done within {} s", timeout.as_secs_f64()),
    )
    .retryable(true)
}
