//! What the fuzzer begins with: a sound workflow with every kind of node, and whatever was once
//! found to be interesting.

use serde_json::{Value, json};

use super::Input;

pub fn all() -> Vec<Input> {
    let mut list = sound();
    list.push(other_triggers());
    list.extend(found());
    list
}

pub fn sound() -> Vec<Input> {
    vec![large(), small()]
}

fn input(nodes: Value, connections: Value) -> Input {
    Input { nodes, connections }
}

fn small() -> Input {
    input(
        json!([
            {"id": "start", "type": "trigger", "config": {"kind": "manual"}},
            {"id": "a", "type": "action", "config": {"kind": "transform", "output": {"x": "{{ input.x }}"}}},
        ]),
        json!([{"source": "start", "target": "a"}]),
    )
}

/// Every kind that runs, both ways of naming a model, every way of authentication, joins.
fn large() -> Input {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"pattern": "^x+$"}}});
    input(
        json!([
            {"id": "start", "type": "trigger", "name": "Start", "position": {"x": 0, "y": 0.5}, "config": {"kind": "manual", "input_schema": {"type": "object"}}},
            {"id": "fetch", "type": "action", "timeout": 5, "retry": {"max_attempts": 3, "initial_seconds": 1, "max_seconds": 9, "factor": 1.5}, "on_error": "branch",
             "config": {"kind": "http", "url": "https://example.com/{{ input.id }}", "method": "POST", "headers": {"a": "{{ secrets.a }}"}, "query": {"b": 1},
                        "body": {"c": ["{{ now }}", {"d": null}]}, "auth": {"kind": "basic", "username": "u", "password": "{{ secrets.p }}"}}},
            {"id": "check", "type": "condition", "config": {"kind": "if", "condition": "steps.fetch.output.status == 200 and input.ok is defined"}},
            {"id": "ask", "type": "ai_processing", "config": {"model": "openai/gpt-4o-mini", "prompt": "{{ steps.fetch.output.body.title | trim }}", "system_prompt": "x", "output_schema": schema, "temperature": 1, "max_tokens": 5, "tools": [{}]}},
            {"id": "agent", "type": "ai_processing", "config": {"kind": "chat", "agent_id": "0190a6f0-7a3c-7000-8000-000000000001", "prompt": "x"}},
            {"id": "pick", "type": "condition", "config": {"kind": "switch", "cases": [{"handle": "x", "when": "steps.ask.output.data.a == 'x'"}, {"handle": "y", "when": "not input.y"}]}},
            {"id": "pause", "type": "action", "config": {"kind": "delay", "seconds": "{{ input.wait }}"}},
            {"id": "until", "type": "action", "on_error": "continue", "config": {"kind": "delay", "until": "2027-01-01T00:00:00Z"}},
            {"id": "rescue", "type": "action", "config": {"kind": "transform", "output": "{{ steps.fetch.error.message }}"}},
            {"id": "join", "type": "action", "config": {"kind": "transform", "output": ["{{ steps.ask.output.text | default('') }}", "{% if steps.pause.status == 'succeeded' %}{{ now }}{% endif %}"]}},
        ]),
        json!([
            {"source": "start", "target": "fetch"},
            {"source": "fetch", "target": "check", "sourceHandle": null},
            {"source": "fetch", "target": "rescue", "sourceHandle": "error"},
            {"source": "check", "target": "ask", "sourceHandle": "true"},
            {"source": "check", "target": "agent", "sourceHandle": "false"},
            {"source": "ask", "target": "pick"},
            {"source": "pick", "target": "pause", "sourceHandle": "x"},
            {"source": "pick", "target": "pause", "sourceHandle": "y"},
            {"source": "pick", "target": "until", "sourceHandle": "default"},
            {"source": "pause", "target": "join"},
            {"source": "until", "target": "join"},
            {"source": "agent", "target": "join"},
            {"source": "rescue", "target": "join"},
        ]),
    )
}

/// What is known but not run yet, and two triggers too many.
fn other_triggers() -> Input {
    input(
        json!([
            {"id": "clock", "type": "trigger", "config": {"kind": "schedule", "cron": "*/5 8-18 * * mon-fri", "timezone": "Europe/Berlin"}},
            {"id": "hook", "type": "trigger", "config": {"kind": "webhook", "signed": "{{ secrets.hook }}"}},
            {"id": "row", "type": "trigger", "config": {"kind": "event", "table": "public.orders", "operations": ["insert"]}},
            {"id": "mail", "type": "action", "config": {"kind": "email", "to": "a@example.com", "subject": "{{ input.x }}", "text": "y"}},
            {"id": "call", "type": "action", "config": {"kind": "call_workflow", "workflow_id": "0190a6f0-7a3c-7000-8000-000000000001", "input": {}}},
            {"id": "wait", "type": "action", "config": {"kind": "wait_for_event", "event": "paid"}},
            {"id": "sign", "type": "action", "config": {"kind": "approval", "approvers": ["a"]}},
        ]),
        json!([
            {"source": "clock", "target": "mail"}, {"source": "mail", "target": "call"},
            {"source": "call", "target": "wait"}, {"source": "wait", "target": "sign"}, {"source": "sign", "target": "mail"},
        ]),
    )
}

/// Small inputs that broke a promise once; the large ones are giants.
fn found() -> Vec<Input> {
    // Names that were ordered as numbers and as text, which is no order.
    let fields = (0..60).map(|n| {
        (
            format!("{}{}", n * 7 % 23, ["", "a"][n % 2]),
            json!("{{ a }}"),
        )
    });
    let step = json!({"id": "a", "type": "action", "config": {"kind": "http", "url": "http://a", "headers": Value::Object(fields.collect())}});
    vec![input(json!([step]), json!([]))]
}
