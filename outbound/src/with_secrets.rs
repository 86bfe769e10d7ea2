//! The config of a call, rendered twice where it names secrets.
//!
//! When the step begins it is rendered with a mask in the place of each secret: that is what is recorded. The values are fetched when the call is
//! made, and the same config is rendered again with them, into something that only the request is made of. So no value is ever in what a
//! `Run` knows, and nothing of it can get into a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use workflow::Kind;
use workflow::expression::{Context, Engine, ExpressionError};

use crate::{Failure, MASK, Redaction};

/// What a call still needs: the secrets that its config names, and what to render again.
#[derive(Debug, Clone)]
pub struct WithSecrets {
    pub names: BTreeSet<String>,
    /// The config as it is drawn.
    drawn: Value,
    /// What else expressions see.
    context: Context,
}

/// The config of a call when its step begins.
#[derive(Debug)]
pub struct Rendered {
    /// Without secrets; masks stand for them.
    pub config: Value,
    pub secrets: Option<Box<WithSecrets>>,
}

/// # Errors
/// When an expression fails. One that does so because of a mask fails when the call is made, or does not.
pub fn render(
    engine: &Engine,
    kind: Kind,
    drawn: &Value,
    context: Context,
) -> Result<Rendered, ExpressionError> {
    let names = match kind {
        Kind::Http => workflow::secrets_in(drawn),
        // Validation allows secrets nowhere else; there are none in scope.
        _ => BTreeSet::new(),
    };
    if names.is_empty() {
        let config = engine.render_config(kind, drawn, &context)?;
        return Ok(Rendered {
            config,
            secrets: None,
        });
    }
    let masks = names.iter().map(|name| (name.clone(), json!(MASK)));
    let mut masked = context.clone();
    masked.set("secrets", Arc::new(Value::Object(masks.collect())));
    Ok(Rendered {
        config: engine
            .render_config(kind, drawn, &masked)
            // A filter may want more of a secret than a mask is; then the drawing is shown.
            .unwrap_or_else(|_| drawn.clone()),
        secrets: Some(Box::new(WithSecrets {
            names,
            drawn: drawn.clone(),
            context,
        })),
    })
}

impl WithSecrets {
    /// The config with the secrets in it, and what hides them wherever they come back. `shown` is the config that was recorded.
    ///
    /// # Errors
    /// `expression_failed`, without what the expression had in hand.
    pub fn fill(
        &self,
        engine: &Engine,
        kind: Kind,
        shown: &Value,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<(Value, Redaction), Failure> {
        let values: Map<_, _> = secrets
            .iter()
            .map(|(name, value)| (name.clone(), json!(value.expose_secret())))
            .collect();
        let mut context = self.context.clone();
        context.set("secrets", Arc::new(Value::Object(values)));
        let config = engine
            .render_config(kind, &self.drawn, &context)
            .map_err(|error| failed(&error))?;
        let redaction = Redaction::of(secrets, shown, &config);
        Ok((config, redaction))
    }
}

/// The engine's own words show the operands of what failed.
fn failed(error: &ExpressionError) -> Failure {
    Failure::new(
        "expression_failed",
        format!(
            "an expression in a config with secrets failed in `{}` at {}",
            error.source_text, error.pointer
        ),
    )
    .details(json!({"pointer": error.pointer, "expression": error.source_text}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::new(&json!({"input": {"id": 7, "evil": "{{ secrets.key }}"}, "secrets": {}}))
    }

    fn secrets(value: &str) -> BTreeMap<String, SecretString> {
        BTreeMap::from([("key".to_owned(), value.into())])
    }

    #[test]
    fn what_is_recorded_has_masks_and_what_is_sent_has_values() {
        let engine = Engine::new();
        let drawn = json!({"kind": "http", "url": "https://x.test/{{ input.id }}", "headers": {"X-A": "a {{ secrets.key }}"},
                           "body": ["{{ secrets.key }}", "{{ input.evil }}"]});
        let rendered = render(&engine, Kind::Http, &drawn, context()).unwrap();
        assert_eq!(
            rendered.config,
            json!({"kind": "http", "url": "https://x.test/7", "headers": {"X-A": "a ***"}, "body": ["***", "{{ secrets.key }}"]})
        );
        let with = rendered.secrets.unwrap();
        let (config, _) = with
            .fill(&engine, Kind::Http, &rendered.config, &secrets("hunter2"))
            .unwrap();
        // What comes from outside is not rendered again.
        assert_eq!(config["body"], json!(["hunter2", "{{ secrets.key }}"]));
        assert_eq!(config["headers"]["X-A"], "a hunter2");
        assert!(!format!("{with:?}").contains("hunter2"));
    }

    #[test]
    fn a_filter_that_cannot_do_with_a_mask_shows_the_drawing() {
        let engine = Engine::new();
        let drawn = json!({"kind": "http", "url": "https://x.test", "query": {"n": "{{ (secrets.key | int) + 1 }}"}});
        let rendered = render(&engine, Kind::Http, &drawn, context()).unwrap();
        assert_eq!(rendered.config, drawn);
        let with = rendered.secrets.unwrap();
        let fill = |value| with.fill(&engine, Kind::Http, &rendered.config, &secrets(value));
        assert_eq!(fill("41999").unwrap().0["query"]["n"], json!(42000));
        let failure = fill("hunter2").unwrap_err();
        assert_eq!(failure.code, "expression_failed");
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }

    #[test]
    fn a_step_without_secrets_is_rendered_once() {
        let engine = Engine::new();
        let drawn = json!({"kind": "http", "url": "https://x.test/{{ input.id }}"});
        let rendered = render(&engine, Kind::Http, &drawn, context()).unwrap();
        assert!(rendered.secrets.is_none());
        let mail = json!({"kind": "email", "text": "{{ secrets.key }}"});
        assert!(render(&engine, Kind::Email, &mail, context()).is_err());
    }
}
