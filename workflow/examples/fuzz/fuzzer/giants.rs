//! The largest workflows of several shapes: each is meant to make one part of validation work as
//! hard as it can. `size` makes them smaller, where time is short.

use serde_json::{Value, json};

use super::Input;

pub fn all(size: fn(usize) -> usize) -> Vec<(&'static str, Input)> {
    vec![
        ("edges between strangers", strangers(size)),
        ("references to strangers", unknown_steps(size)),
        ("references to what may be skipped", unsure_steps(size)),
        ("one switch with very many cases", cases(size)),
        ("very many unknown fields", fields(size)),
        ("very many patterns", patterns(size)),
        ("large schemas", schemas(size)),
        ("every step waits for all before", dense(size)),
        ("one long cycle and many short ones", cycles(size)),
        ("very long ids", long_ids(size)),
        ("very many tags", tags(size)),
        ("deep expressions", deep(size)),
        ("very many broken crons", crons(size)),
    ]
}

fn trigger() -> Value {
    json!({"id": "start", "type": "trigger", "config": {"kind": "manual"}})
}

fn step(id: &str, output: impl Into<Value>) -> Value {
    json!({"id": id, "type": "action", "config": {"kind": "transform", "output": output.into()}})
}

fn edge(source: &str, target: &str) -> Value {
    json!({"source": source, "target": target})
}

/// A trigger, so many steps, and an edge from the trigger to each.
fn star(count: usize, id: impl Fn(usize) -> String, output: impl Fn(usize) -> Value) -> Input {
    let nodes = std::iter::once(trigger()).chain((0..count).map(|n| step(&id(n), output(n))));
    Input {
        nodes: nodes.collect(),
        connections: (0..count).map(|n| edge("start", &id(n))).collect(),
    }
}

/// Names as long as are still compared, and all alike.
fn name(number: usize) -> String {
    format!("{number:0>5}{}", "abcdefghij".repeat(5))
}

fn strangers(size: fn(usize) -> usize) -> Input {
    let mut input = star(size(990), name, |_| json!(1));
    input.connections = (0..size(5_000))
        .map(|n| edge(&format!("{}x", name(n * 7)), &format!("x{}", name(n * 3))))
        .collect();
    input
}

fn unknown_steps(size: fn(usize) -> usize) -> Input {
    star(size(990), name, |n| {
        let one = |m: usize| format!("{{{{ steps._{}.output }}}}", name(n * 31 + m));
        json!((0..20).map(one).collect::<String>())
    })
}

fn unsure_steps(size: fn(usize) -> usize) -> Input {
    let mut input = star(
        size(990),
        |n| format!("n{n}"),
        |n| {
            let one = |m: usize| format!("{{{{ steps.n{}.output }}}}", (n + m) % size(990));
            json!((0..60).map(one).collect::<String>())
        },
    );
    input.nodes[0]["on_error"] = json!("branch");
    input
}

fn cases(size: fn(usize) -> usize) -> Input {
    let cases: Value = (0..size(12_000))
        .map(|n| json!({"handle": name(n), "when": "1"}))
        .collect();
    Input {
        nodes: json!([trigger(), {"id": "s", "type": "condition", "config": {"kind": "switch", "cases": cases}}, step("e", 1)]),
        connections: (0..size(5_000))
            .map(|n| json!({"source": "s", "target": "e", "sourceHandle": format!("{}x", name(n))}))
            .collect(),
    }
}

fn fields(size: fn(usize) -> usize) -> Input {
    let mut input = star(size(15), |n| format!("n{n}"), |_| json!(1));
    for (number, node) in input.nodes.as_array_mut().into_iter().flatten().enumerate() {
        for field in 0..size(1_500) {
            node["config"][name(number * 10_000 + field)] = json!(1);
        }
    }
    input
}

fn with_schemas(count: usize, schema: &Value) -> Input {
    let mut input = star(count, |n| format!("n{n}"), |_| json!(1));
    for node in input.nodes.as_array_mut().into_iter().flatten().skip(1) {
        node["type"] = json!("ai_processing");
        node["config"] = json!({"model": "a/b", "prompt": "x", "output_schema": schema});
    }
    input
}

fn patterns(size: fn(usize) -> usize) -> Input {
    let patterns = (0..64).map(|n| json!({"pattern": format!("^\\w{{{}}}\\W", n % 8 + 4)}));
    with_schemas(size(900), &json!({"allOf": patterns.collect::<Value>()}))
}

fn schemas(size: fn(usize) -> usize) -> Input {
    let properties: serde_json::Map<String, Value> = (0..600)
        .map(|n| {
            (
                format!("p{n}"),
                json!({"$ref": "#/$defs/a", "minLength": 1}),
            )
        })
        .collect();
    with_schemas(
        size(60),
        &json!({"properties": properties, "$defs": {"a": {"type": "string"}}}),
    )
}

fn dense(size: fn(usize) -> usize) -> Input {
    let mut input = star(
        size(400),
        |n| format!("n{n}"),
        |n| {
            let one = |m: usize| format!("{{{{ steps.n{}.output }}}}", n.saturating_sub(m));
            json!((1..40).map(one).collect::<String>())
        },
    );
    let edges = (1..size(400)).flat_map(|n| (1..=12.min(n)).map(move |m| (n - m, n)));
    input.connections = edges
        .map(|(from, to)| edge(&format!("n{from}"), &format!("n{to}")))
        .chain([edge("start", "n0")])
        .collect();
    input
}

fn cycles(size: fn(usize) -> usize) -> Input {
    let mut input = star(
        size(900),
        |n| format!("n{n}"),
        |_| json!("{{ steps.n0.output }}"),
    );
    input.connections = (0..size(900))
        .map(|n| {
            edge(
                &format!("n{n}"),
                &format!(
                    "n{}",
                    if n < size(300) {
                        (n + 1) % size(300)
                    } else {
                        n ^ 1
                    }
                ),
            )
        })
        .collect();
    input
}

fn long_ids(size: fn(usize) -> usize) -> Input {
    star(
        size(20),
        |n| format!("{n}{}", "x".repeat(40_000)),
        |_| json!({"a": "{{ a }} {{ b }} {{ c }}"}),
    )
}

fn tags(size: fn(usize) -> usize) -> Input {
    star(
        size(900),
        |n| format!("n{n}"),
        |n| {
            json!(if n % 2 == 0 {
                "{{ a|b|c }}".repeat(150)
            } else {
                "{% if a %}{% endif %}".repeat(90)
            })
        },
    )
}

fn deep(size: fn(usize) -> usize) -> Input {
    star(
        size(900),
        |n| format!("n{n}"),
        |n| {
            let (open, close, count) = [
                ("(", ")", 70),
                ("[", "]", 70),
                ("a|d(", ")", 45),
                ("not ", "", 150),
            ][n % 4];
            json!(format!("{{{{ {}a{} }}}}", open.repeat(count), close.repeat(count)).repeat(3))
        },
    )
}

fn crons(size: fn(usize) -> usize) -> Input {
    let mut input = star(size(900), |n| format!("n{n}"), |_| json!(1));
    for node in input.nodes.as_array_mut().into_iter().flatten() {
        node["type"] = json!("trigger");
        node["config"] =
            json!({"kind": "schedule", "cron": "0-59/1,".repeat(80), "timezone": "x".repeat(300)});
    }
    input
}
