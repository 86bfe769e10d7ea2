//! `transform`: a value built from what is known.

use serde_json::Value;
use workflow::Kind;
use workflow::expression::{Context, Engine};

use super::{Failure, Success};

pub(super) fn run(engine: &Engine, config: &Value, context: &Context) -> Result<Success, Failure> {
    let mut rendered = engine.render_config(Kind::Transform, config, context)?;
    let output = rendered
        .get_mut("output")
        .map(Value::take)
        .unwrap_or_default();
    Ok(Success::from(output))
}
