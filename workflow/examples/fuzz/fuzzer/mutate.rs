//! Changes to a workflow: small ones anywhere in its JSON, and such that know what a workflow is.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::{Input, hostile};

/// Changes the input once; `other` is what parts may be taken from.
pub fn mutate(input: &mut Input, other: &Input, dice: &mut Dice) {
    match dice.below(10) {
        0..=3 => anywhere(&mut input.nodes, &other.nodes, dice),
        4 => anywhere(&mut input.connections, &other.connections, dice),
        5 | 6 => config(input, dice),
        7 => edge(input, dice),
        8 => node(input, other, dice),
        _ => chain(input, dice),
    }
}

/// What JSON and templates are made of.
const BITS: [&str; 8] = ["[", "{", "\"", "\\ud800", "1e999", "\u{0}", ",", "NaN"];

/// Changes bytes of a text, which stays UTF-8.
pub fn mutate_text(text: &mut String, dice: &mut Dice) {
    let mut at = dice.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match dice.below(4) {
        0 => text.truncate(at),
        1 => text.insert_str(at, &hostile::text(dice)),
        2 => text.insert_str(at, BITS[dice.below(BITS.len())]),
        _ => text.insert_str(at, &"[".repeat(1 + dice.below(300))),
    }
}

/// Goes to a random place and changes what is there.
fn anywhere(value: &mut Value, other: &Value, dice: &mut Dice) {
    let stops = dice.one_in(4);
    match value {
        Value::Array(items) if !items.is_empty() && !stops => {
            let index = dice.below(items.len());
            return anywhere(&mut items[index], other, dice);
        }
        Value::Object(fields) if !fields.is_empty() && !stops => {
            let index = dice.below(fields.len());
            if let Some(inner) = fields.values_mut().nth(index) {
                return anywhere(inner, other, dice);
            }
        }
        _ => {}
    }
    match (dice.below(6), &mut *value) {
        (0 | 1, Value::String(text)) => mutate_text(text, dice),
        (0, Value::Array(items)) => array(items, dice),
        (0 | 1, Value::Object(fields)) => object(fields, dice),
        (2, Value::String(text)) => *text = hostile::text(dice),
        (3, value) => *value = part(other, dice).clone(),
        (_, value) => *value = hostile::value(dice),
    }
}

fn array(items: &mut Vec<Value>, dice: &mut Dice) {
    if items.is_empty() {
        return items.push(hostile::value(dice));
    }
    let (one, two) = (dice.below(items.len()), dice.below(items.len()));
    match dice.below(4) {
        0 => {
            items.remove(one);
        }
        1 => items.swap(one, two),
        2 => items.push(items[one].clone()),
        _ => items.push(hostile::value(dice)),
    }
}

fn object(fields: &mut Map<String, Value>, dice: &mut Dice) {
    let name = fields.keys().nth(dice.below(fields.len().max(1))).cloned();
    match (dice.below(3), name) {
        (0, Some(name)) => {
            fields.remove(&name);
        }
        (1, Some(name)) => {
            let value = fields.remove(&name).unwrap_or_default();
            fields.insert((*dice.pick(hostile::NAMES)).to_owned(), value);
        }
        _ => {
            fields.insert(
                (*dice.pick(hostile::NAMES)).to_owned(),
                hostile::value(dice),
            );
        }
    }
}

/// A random part of a value.
fn part<'a>(value: &'a Value, dice: &mut Dice) -> &'a Value {
    match value {
        Value::Array(items) if !items.is_empty() && !dice.one_in(4) => part(dice.pick(items), dice),
        Value::Object(fields) if !fields.is_empty() && !dice.one_in(4) => {
            let index = dice.below(fields.len());
            fields
                .values()
                .nth(index)
                .map_or(value, |inner| part(inner, dice))
        }
        _ => value,
    }
}

/// Gives a node a field of some config, with a value that may fit.
fn config(input: &mut Input, dice: &mut Dice) {
    let Some(node) = random_node(input, dice) else {
        return;
    };
    let value = match dice.below(4) {
        0 => hostile::value(dice),
        1 => hostile::schema(dice),
        _ => json!(hostile::text(dice)),
    };
    let name = *dice.pick(hostile::NAMES);
    if let Some(Value::Object(config)) = node.get_mut("config") {
        config.insert(name.to_owned(), value);
    }
}

/// Adds an edge between nodes that exist, or almost.
fn edge(input: &mut Input, dice: &mut Dice) {
    let ids = ids(input);
    if ids.is_empty() {
        return;
    }
    let mut end = || match dice.one_in(8) {
        true => json!(hostile::text(dice)),
        false => json!(dice.pick(&ids)),
    };
    let (source, target) = (end(), end());
    let handle = match dice.below(6) {
        0 => json!("true"),
        1 => json!("false"),
        2 => json!("default"),
        3 => json!("error"),
        4 => json!(hostile::text(dice)),
        _ => Value::Null,
    };
    if let Value::Array(edges) = &mut input.connections {
        edges.push(json!({"source": source, "target": target, "sourceHandle": handle}));
    }
}

/// Adds a node, copied from another workflow, perhaps under an id that is taken.
fn node(input: &mut Input, other: &Input, dice: &mut Dice) {
    let Some(list) = other.nodes.as_array().filter(|list| !list.is_empty()) else {
        return;
    };
    let mut node = dice.pick(list).clone();
    if let Value::Object(fields) = &mut node
        && dice.one_in(2)
    {
        fields.insert("id".to_owned(), json!(format!("node_{}", dice.below(50))));
    }
    if let Value::Array(nodes) = &mut input.nodes {
        nodes.push(node);
    }
}

/// Adds a row of steps, each of which refers to another.
fn chain(input: &mut Input, dice: &mut Dice) {
    let ids = ids(input);
    let (Value::Array(nodes), Value::Array(edges)) = (&mut input.nodes, &mut input.connections)
    else {
        return;
    };
    let mut last = if ids.is_empty() {
        "start".to_owned()
    } else {
        dice.pick(&ids).clone()
    };
    for _ in 0..1 + dice.below(12) {
        let id = format!("step_{}", dice.below(1_000));
        let known = if ids.is_empty() {
            "start"
        } else {
            dice.pick(&ids).as_str()
        };
        let output = format!("{{{{ steps.{last}.output }}}} {{{{ steps.{known}.output }}}}");
        nodes.push(
            json!({"id": id, "type": "action", "config": {"kind": "transform", "output": output}}),
        );
        edges.push(json!({"source": last, "target": id}));
        last = id;
    }
}

fn random_node<'a>(input: &'a mut Input, dice: &mut Dice) -> Option<&'a mut Value> {
    let nodes = input.nodes.as_array_mut()?;
    if nodes.is_empty() {
        return None;
    }
    let index = dice.below(nodes.len());
    nodes.get_mut(index)
}

fn ids(input: &Input) -> Vec<String> {
    let nodes = input.nodes.as_array().map_or(&[][..], Vec::as_slice);
    let ids = nodes.iter().filter_map(|node| node.get("id")?.as_str());
    ids.map(str::to_owned).collect()
}
