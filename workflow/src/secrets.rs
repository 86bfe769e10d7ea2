//! Which secrets a config names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::expression::{Shape, has_template};
use crate::language::{Findings, Key, Unknown, Variable, analyse};

/// The names of the secrets that templates anywhere in a config use, so that whoever renders it can fetch these and no others. Validation
/// sees to it that each is named: `secrets.<name>`.
pub fn secrets_in(config: &Value) -> BTreeSet<String> {
    let mut names = Names::default();
    names.value(config);
    names.0
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn value(&mut self, value: &Value) {
        match value {
            // Most have none, and are not looked at any closer.
            Value::String(text) if text.contains("secrets") && has_template(text) => {
                // One that does not parse fails when it is rendered.
                let _ = analyse(text, Shape::Template, self);
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.value(field)),
            _ => {}
        }
    }
}

impl Findings for Names {
    fn variable(&mut self, variable: &Variable<'_>) {
        if variable.name == "secrets"
            && let Some(Key::Name(name)) = variable.keys.get(0)
        {
            self.0.insert(name.to_owned());
        }
    }

    fn unknown(&mut self, _what: Unknown, _name: &str) {}

    fn method(&mut self, _name: &str) {}

    fn unsupported(&mut self, _message: &'static str) {}
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_are_named() {
        let config = json!({
            "kind": "http", "url": "https://x.test/{{ secrets.path }}", "method": "{{ not.a.secret }}",
            "headers": {"a": "Bearer {{ secrets['key'] | upper }}", "b": "{{ input.secrets }}", "c": "secrets.literal"},
            "auth": {"kind": "basic", "username": "{{ secrets.user if input.a else secrets.other }}", "password": "x"},
            "body": [{"deep": "{% for x in input.list %}{{ x }}{{ secrets.loop }}{% endfor %}"}, "{{ broken secrets.none"],
        });
        let found: Vec<_> = secrets_in(&config).into_iter().collect();
        assert_eq!(found, ["key", "loop", "other", "path", "user"]);
        assert!(secrets_in(&json!({"url": "https://x.test"})).is_empty());
    }
}
