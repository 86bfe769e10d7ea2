//! Workflows, in few words.

use serde_json::{Value, json};

pub fn trigger() -> Value {
    json!({"id": "start", "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}})
}

pub fn node(id: &str, config: Value) -> Value {
    let node_type = match config["kind"].as_str() {
        Some("if" | "switch") => "condition",
        Some("chat") => "ai_processing",
        _ => "action",
    };
    json!({"id": id, "type": node_type, "position": {"x": 0, "y": 0}, "config": config})
}

/// An HTTP step, with more fields of the node.
pub fn http(id: &str, url: &str, more: Value) -> Value {
    let mut node = node(id, json!({"kind": "http", "url": url}));
    for (name, value) in more.as_object().into_iter().flatten() {
        node[name] = value.clone();
    }
    node
}

/// `a->b`, or `a:handle->b`.
pub fn edges(texts: &[&str]) -> Value {
    let edge = |text: &&str| {
        let (from, to) = text.split_once("->").expect("an arrow");
        match from.split_once(':') {
            None => json!({"source": from, "target": to}),
            Some((from, handle)) => json!({"source": from, "target": to, "sourceHandle": handle}),
        }
    };
    texts.iter().map(edge).collect()
}
