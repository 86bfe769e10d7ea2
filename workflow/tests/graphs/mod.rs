//! Small valid nodes and edges for tests.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

use serde_json::{Value, json};

pub fn trigger(id: &str) -> Value {
    json!({"id": id, "type": "trigger", "position": {"x": 0, "y": 0}, "config": {"kind": "manual"}})
}

pub fn node(id: &str) -> Value {
    transform(id, json!(1))
}

pub fn transform(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "action", "position": {"x": 0, "y": 0}, "config": {"kind": "transform", "output": output}})
}

pub fn if_node(id: &str) -> Value {
    condition(id, "input.ok")
}

pub fn condition(id: &str, expression: &str) -> Value {
    json!({"id": id, "type": "condition", "position": {"x": 0, "y": 0}, "config": {"kind": "if", "condition": expression}})
}

pub fn switch(id: &str, handles: &[&str]) -> Value {
    let cases: Vec<Value> = handles
        .iter()
        .map(|handle| json!({"handle": handle, "when": "input.ok"}))
        .collect();
    json!({"id": id, "type": "condition", "position": {"x": 0, "y": 0}, "config": {"kind": "switch", "cases": cases}})
}

pub fn approval(id: &str) -> Value {
    json!({"id": id, "type": "action", "position": {"x": 0, "y": 0}, "config": {"kind": "approval"}})
}

/// With `action` done to each of `input.list`.
pub fn for_each(id: &str, action: Value) -> Value {
    json!({"id": id, "type": "action", "position": {"x": 0, "y": 0},
           "config": {"kind": "for_each", "items": "{{ input.list }}", "do": action}})
}

pub fn on_error(id: &str, what: &str) -> Value {
    let mut value = node(id);
    value["on_error"] = json!(what);
    value
}

pub fn edge(source: &str, target: &str, handle: Option<&str>) -> Value {
    json!({"id": format!("{source}-{target}"), "source": source, "target": target, "sourceHandle": handle})
}

pub fn codes(nodes: &Value, connections: &Value) -> Vec<String> {
    workflow::problems(nodes, connections)
        .iter()
        .map(|problem| format!("{} {}", problem.code, problem.pointer))
        .collect()
}
