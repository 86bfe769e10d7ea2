//! `for_each`: one action for each item of a list.

use serde_json::{Value, json};
use workflow::expression::{Context, Engine};
use workflow::{Kind, PlanNode};

use super::Failure;

/// Items of one list.
pub const MOST_ITEMS: u32 = 10_000;
/// Items at a time, where the node does not say.
const CONCURRENCY: usize = 10;

/// What a node says about its items.
#[derive(Debug, Clone, PartialEq)]
pub struct ForEach {
    pub items: Vec<Value>,
    /// Items that have begun and not ended, at most.
    pub concurrency: usize,
    /// Whether an item that failed leaves the others alone.
    pub goes_on: bool,
}

/// Renders the list. It is made of what is recorded and never changes, so it gives the same again whenever it is taken up.
///
/// # Errors
/// When the template fails, or gives what is no list, or one that is too long.
pub fn read(engine: &Engine, node: &PlanNode, context: &Context) -> Result<ForEach, Failure> {
    if node.item_action().is_none() {
        return Err(Failure::not_runnable(node.kind));
    }
    let field = |name: &str| node.config.get(name);
    let own = json!({"items": field("items")});
    let mut rendered = engine.render_config(Kind::ForEach, &own, context)?;
    let items = match rendered.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        other => {
            let what = match other {
                Some(Value::Object(_)) => "an object",
                Some(Value::String(_)) => "a text",
                Some(Value::Number(_)) => "a number",
                Some(Value::Bool(_)) => "a truth value",
                _ => "null",
            };
            return Err(Failure::invalid_config(format!(
                "items is {what}; it must be a list"
            )));
        }
    };
    if items.len() > MOST_ITEMS as usize {
        return Err(Failure::invalid_config(format!(
            "items has {} entries; at most {MOST_ITEMS} are allowed",
            items.len()
        )));
    }
    let concurrency = field("concurrency")
        .and_then(Value::as_f64)
        .map_or(CONCURRENCY, |number| number as usize);
    Ok(ForEach {
        items,
        concurrency: concurrency.clamp(1, 100),
        goes_on: field("on_item_error").and_then(Value::as_str) == Some("continue"),
    })
}

/// The node's failure, where one of an item is one of the node.
pub fn item_failed(item: u32, error: &Value) -> Failure {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    Failure::new(
        "item_failed",
        format!("item {item} failed: {}", text("message")),
    )
    .details(json!({"index": item, "error": error}))
}
