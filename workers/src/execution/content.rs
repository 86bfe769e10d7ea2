//! What Postgres can keep of what a step brought home.

use serde_json::Value;

use crate::nodes::Failure;

/// Bytes of JSON that one step's output, or an execution's, may have.
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Why a step fails whose output has about so many bytes.
pub(super) fn too_large(bytes: usize) -> Failure {
    Failure::new(
        "output_too_large",
        format!("the output has about {bytes} bytes; at most {MOST_BYTES} are kept"),
    )
}

/// Replaces U+0000, which `jsonb` cannot hold (<https://www.postgresql.org/docs/current/datatype-json.html>), by U+FFFD. One such character
/// would have everybody's results of the same commit refused.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(mut name, value)| {
                        clean_text(&mut name);
                        (name, value)
                    })
                    .collect();
            }
            fields.values_mut().for_each(clean);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn clean_text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

/// About how many bytes a value has as JSON; escapes are not counted.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields
                .iter()
                .map(|(name, item)| name.len() + 4 + size(item))
                .sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_nul_is_left_anywhere() {
        let mut value = json!({"a\u{0}": ["b\u{0}c", {"d": "\u{0}"}], "e": 1});
        clean(&mut value);
        assert_eq!(
            value,
            json!({"a\u{fffd}": ["b\u{fffd}c", {"d": "\u{fffd}"}], "e": 1})
        );
    }

    #[test]
    fn size_is_near_the_length_of_the_text() {
        let value = json!({"a": [1, 2, null], "b": "xyz"});
        let length = value.to_string().len();
        assert!(size(&value).abs_diff(length) < 20);
    }
}
