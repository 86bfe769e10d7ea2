//! How much work a schema can make of one place in a value.
//!
//! Validation visits a place once for every way that leads to it through the schema, and `allOf`
//! with two references doubles those ways each time it is entered. So the ways are counted before
//! a schema is used: for the deepest value that is looked at, from the innermost level outwards.
//! Recursion that does not multiply, such as that of a tree, costs no more than its depth.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Levels of a value that are counted; deeper ones would only add to what is counted.
const LEVELS: usize = 64;
/// Ways that may lead to one place.
const MAX_WAYS: u64 = 5_000;

/// Why the schema is too costly, or refers to what cannot be followed.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let mut graph = Schemas {
        root: schema,
        numbers: HashMap::new(),
        list: Vec::new(),
        open: Vec::new(),
    };
    graph.number(schema);
    while let Some((number, schema)) = graph.open.pop() {
        let links = graph.links(schema)?;
        graph.list[number] = links;
    }
    graph.count()
}

/// The subschemas that one schema leads to, by number.
#[derive(Default, Clone)]
struct Links {
    /// Applied to the same place, each with how often.
    same: Vec<(usize, u64)>,
    /// Applied to the places inside; of `named` only one applies to each.
    inside: Vec<usize>,
    named: Vec<usize>,
}

struct Schemas<'a> {
    root: &'a Value,
    numbers: HashMap<*const Value, usize>,
    list: Vec<Links>,
    open: Vec<(usize, &'a Value)>,
}

impl<'a> Schemas<'a> {
    fn number(&mut self, schema: &'a Value) -> usize {
        if let Some(number) = self.numbers.get(&std::ptr::from_ref(schema)) {
            return *number;
        }
        let number = self.list.len();
        self.numbers.insert(schema, number);
        self.list.push(Links::default());
        self.open.push((number, schema));
        number
    }

    fn links(&mut self, schema: &'a Value) -> Result<Links, String> {
        let mut links = Links::default();
        let Value::Object(fields) = schema else {
            return Ok(links);
        };
        // Errors of alternatives are collected after they are tried, and what is not evaluated is
        // found by evaluating again.
        let again = if fields.contains_key("unevaluatedProperties")
            || fields.contains_key("unevaluatedItems")
        {
            2
        } else {
            1
        };
        for (keyword, value) in fields {
            match keyword.as_str() {
                "$ref" => {
                    let target = self.target(value)?;
                    links.same.push((self.number(target), again));
                }
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(format!("`{keyword}` is not supported; use `$ref`"));
                }
                "not" | "if" | "then" | "else" => links.same.push((self.number(value), again)),
                "allOf" => self.all(value, again, &mut links.same),
                "anyOf" | "oneOf" => self.all(value, 2 * again, &mut links.same),
                "dependentSchemas" | "dependencies" => {
                    for schema in map(value).values().filter(|value| !value.is_array()) {
                        links.same.push((self.number(schema), again));
                    }
                }
                "properties" => {
                    for schema in map(value).values() {
                        links.named.push(self.number(schema));
                    }
                }
                "patternProperties" => {
                    for schema in map(value).values() {
                        links.inside.push(self.number(schema));
                    }
                }
                "items" | "prefixItems" if value.is_array() => {
                    for schema in value.as_array().into_iter().flatten() {
                        links.named.push(self.number(schema));
                    }
                }
                "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames" => {
                    links.inside.push(self.number(value));
                }
                _ => {}
            }
        }
        Ok(links)
    }

    fn all(&mut self, list: &'a Value, times: u64, links: &mut Vec<(usize, u64)>) {
        for schema in list.as_array().into_iter().flatten() {
            links.push((self.number(schema), times));
        }
    }

    fn target(&self, reference: &Value) -> Result<&'a Value, String> {
        let text = reference.as_str().unwrap_or_default();
        let found = match text.strip_prefix('#') {
            Some("") => Some(self.root),
            Some(pointer) if !pointer.contains('%') => self.root.pointer(pointer),
            _ => None,
        };
        let shown: String = text.chars().take(80).collect();
        found.ok_or_else(|| {
            format!("the reference `{shown}` leads nowhere in this schema; use `#/$defs/...`")
        })
    }

    fn count(&self) -> Result<(), String> {
        let order = self.order()?;
        let mut inner: Vec<u64> = vec![0; self.list.len()];
        for _ in 0..LEVELS {
            let mut ways: Vec<u64> = vec![0; self.list.len()];
            for number in &order {
                let links = &self.list[*number];
                let same = links
                    .same
                    .iter()
                    .map(|(schema, times)| ways[*schema].saturating_mul(*times));
                let inside = links.inside.iter().map(|schema| inner[*schema]);
                let named = links.named.iter().map(|schema| inner[*schema]).max();
                ways[*number] = same.chain(inside).chain(named).fold(1, u64::saturating_add);
            }
            if ways.first().is_some_and(|ways| *ways > MAX_WAYS) {
                return Err("its combinations of `$ref`, `allOf`, `anyOf` and `oneOf` \
                            take too much work to check; make it simpler"
                    .to_owned());
            }
            if ways == inner {
                break;
            }
            inner = ways;
        }
        Ok(())
    }

    /// Each schema after those that it applies to the same place.
    fn order(&self) -> Result<Vec<usize>, String> {
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.list.len()];
        let mut waits: Vec<usize> = Vec::with_capacity(self.list.len());
        for (number, links) in self.list.iter().enumerate() {
            waits.push(links.same.len());
            for (schema, _) in &links.same {
                users[*schema].push(number);
            }
        }
        let mut order: Vec<usize> = (0..waits.len()).filter(|n| waits[*n] == 0).collect();
        let mut next = 0;
        while let Some(number) = order.get(next).copied() {
            next += 1;
            for user in &users[number] {
                waits[*user] -= 1;
                if waits[*user] == 0 {
                    order.push(*user);
                }
            }
        }
        if order.len() < self.list.len() {
            return Err("a `$ref` leads back to itself without going into the value".to_owned());
        }
        Ok(order)
    }
}

fn map(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}
