//! What a tool authenticates with: `headers` and `auth`, in which `{{ secrets.name }}` may stand.

use serde_json::{Value, json};
use workflow::Kind;
use workflow::expression::Context;

use crate::nodes::{Call, Effects, Failure, Redaction, Rendered, Stopped, render};

/// Headers with masks in the place of secrets, until a call is made.
pub(super) struct Credentials(Rendered);

impl Credentials {
    pub(super) fn read(
        world: &Effects,
        tool: &Value,
        may_name_secrets: bool,
    ) -> Result<Self, Failure> {
        let mut drawn = json!({"kind": "http"});
        for name in ["headers", "auth"] {
            if let Some(value) = tool.get(name).filter(|value| !value.is_null()) {
                drawn[name] = value.clone();
            }
        }
        if !may_name_secrets {
            return Ok(Self(Rendered {
                config: drawn,
                secrets: None,
            }));
        }
        let context = Context::new(&json!({"secrets": {}}));
        Ok(Self(render(&world.engine, Kind::Http, &drawn, context)?))
    }

    /// A config of kind `http` that lacks nothing but what is requested; and what hides its secrets wherever they come back.
    pub(super) async fn fill(
        &self,
        world: &Effects,
        call: &Call,
    ) -> Result<(Value, Redaction), Stopped> {
        let shown = &self.0.config;
        let Some(with) = &self.0.secrets else {
            return Ok((shown.clone(), Redaction::default()));
        };
        let secrets = world.secrets.open(call.claim, &with.names).await?;
        Ok(with.fill(&world.engine, Kind::Http, shown, &secrets)?)
    }
}
