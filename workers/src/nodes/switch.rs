//! `switch`: the first case that holds, or `default`.

use serde_json::{Value, json};
use workflow::expression::{Context, Engine};

use super::{Failure, Success};

pub(super) fn run(engine: &Engine, config: &Value, context: &Context) -> Result<Success, Failure> {
    let mut chosen = "default";
    for case in config
        .get("cases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let when = case.get("when").and_then(Value::as_str).unwrap_or("false");
        if engine.holds(when, context)? {
            chosen = case.get("handle").and_then(Value::as_str).unwrap_or(chosen);
            break;
        }
    }
    Ok(Success {
        output: json!({"handle": chosen}),
        handle: Some(chosen.to_owned()),
        usage: None,
    })
}
