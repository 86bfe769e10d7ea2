//! What a tool authenticates with: `headers` and `auth`, in which `{{ secrets.name }}` may stand.

use serde_json::{Value, json};
use workflow::Kind;
use workflow::expression::{Context, Engine};

use crate::{Failure, Outside, Redaction, Rendered, Secrets, render};

/// Headers with masks in the place of secrets, until a call is made.
pub(super) struct Credentials(Rendered);

/// Whether a tool or a server cannot be called without secrets of the tenant.
pub fn names_secrets(declared: &Value) -> bool {
    !workflow::secrets_in(&drawn(declared)).is_empty()
}

fn drawn(declared: &Value) -> Value {
    let mut drawn = json!({"kind": "http"});
    for name in ["headers", "auth"] {
        if let Some(value) = declared.get(name).filter(|value| !value.is_null()) {
            drawn[name] = value.clone();
        }
    }
    drawn
}

impl Credentials {
    pub(super) fn read(
        engine: &Engine,
        declared: &Value,
        may_name_secrets: bool,
    ) -> Result<Self, Failure> {
        let drawn = drawn(declared);
        if !may_name_secrets {
            return Ok(Self(Rendered {
                config: drawn,
                secrets: None,
            }));
        }
        let context = Context::new(&json!({"secrets": {}}));
        Ok(Self(render(engine, Kind::Http, &drawn, context)?))
    }

    /// A config of kind `http` that lacks nothing but what is requested; and what hides its secrets wherever they come back.
    pub(super) async fn fill<S: Secrets>(
        &self,
        outside: &Outside<S>,
    ) -> Result<(Value, Redaction), S::Error> {
        let shown = &self.0.config;
        let Some(with) = &self.0.secrets else {
            return Ok((shown.clone(), Redaction::default()));
        };
        let secrets = outside.secrets.open(&with.names).await?;
        Ok(with.fill(&outside.ways.engine, Kind::Http, shown, &secrets)?)
    }
}
