//! `if`: two branches.

use serde_json::{Value, json};
use workflow::expression::{Context, Engine};

use super::{Failure, Success};

pub(super) fn run(engine: &Engine, config: &Value, context: &Context) -> Result<Success, Failure> {
    let condition = config
        .get("condition")
        .and_then(Value::as_str)
        .unwrap_or("false");
    let handle = if engine.holds(condition, context)? {
        "true"
    } else {
        "false"
    };
    Ok(Success {
        output: json!({"handle": handle}),
        handle: Some(handle.to_owned()),
        usage: None,
    })
}
