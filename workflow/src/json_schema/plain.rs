//! Recognizes the schemas that most authors write: types, fields, items and simple bounds. They
//! are known to compile, so that validation need not build a validator for each.

#[cfg(test)]
mod tests;

use serde_json::Value;

/// Levels of subschemas, each of which is two levels of JSON, and of alternatives among them: the
/// ways to one place stay few.
const MAX_LEVELS: usize = 12;
const MAX_ALTERNATIVES: usize = 2;
/// Members of all alternatives together.
const MAX_MEMBERS: usize = 32;
/// Bytes, roughly; a larger schema is measured exactly elsewhere.
const MAX_BYTES: usize = 8 * 1024;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Whether the schema is a plain one. A schema that is not may still be a good one.
pub(super) fn is_plain(schema: &Value) -> bool {
    let mut plain = Plain {
        bytes: 0,
        members: 0,
    };
    plain.schema(schema, 0, 0).is_some()
}

struct Plain {
    bytes: usize,
    members: usize,
}

impl Plain {
    fn schema(&mut self, schema: &Value, level: usize, alternatives: usize) -> Option<()> {
        let fields = match schema {
            Value::Bool(_) => return self.spend(8),
            Value::Object(fields) => fields,
            _ => return None,
        };
        if level > MAX_LEVELS || alternatives > MAX_ALTERNATIVES {
            return None;
        }
        for (keyword, value) in fields {
            self.spend(keyword.len() + 8)?;
            match keyword.as_str() {
                "type" => self.types(value)?,
                "properties" => {
                    for (name, schema) in value.as_object()? {
                        self.spend(name.len() + 8)?;
                        self.schema(schema, level + 1, alternatives)?;
                    }
                }
                "items" | "additionalProperties" => {
                    self.schema(value, level + 1, alternatives)?;
                }
                "anyOf" | "oneOf" | "allOf" => {
                    let list = value.as_array().filter(|list| !list.is_empty())?;
                    self.members += list.len();
                    if self.members > MAX_MEMBERS {
                        return None;
                    }
                    for schema in list {
                        self.schema(schema, level + 1, alternatives + 1)?;
                    }
                }
                "required" => self.names(value)?,
                "enum" | "examples" => {
                    for value in value.as_array()? {
                        self.anything(value)?;
                    }
                }
                "const" | "default" => self.anything(value)?,
                "title" | "description" | "format" | "$comment" => {
                    self.spend(value.as_str()?.len())?;
                }
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                    value.as_number()?;
                }
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
                | "maxProperties" => {
                    value.as_u64()?;
                }
                "uniqueItems" => {
                    value.as_bool()?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        (self.bytes <= MAX_BYTES).then_some(())
    }

    fn types(&mut self, value: &Value) -> Option<()> {
        match value {
            Value::String(name) => TYPES.contains(&name.as_str()).then_some(()),
            list => {
                self.names(list)?;
                let list = list.as_array().filter(|list| !list.is_empty())?;
                list.iter()
                    .all(|name| name.as_str().is_some_and(|name| TYPES.contains(&name)))
                    .then_some(())
            }
        }
    }

    /// Strings of which none is there twice.
    fn names(&mut self, value: &Value) -> Option<()> {
        let list = value.as_array().filter(|list| list.len() <= 64)?;
        for (index, name) in list.iter().enumerate() {
            self.spend(name.as_str()?.len() + 4)?;
            if list[..index].contains(name) {
                return None;
            }
        }
        Some(())
    }

    /// A value that the schema only mentions; only a small one is worth looking at.
    fn anything(&mut self, value: &Value) -> Option<()> {
        match value {
            Value::Array(list) => list.is_empty().then_some(()),
            Value::Object(fields) => fields.is_empty().then_some(()),
            Value::String(text) => self.spend(text.len() + 4),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.spend(8),
        }
    }
}
