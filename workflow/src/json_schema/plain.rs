//! Recognizes the schemas that most authors write: types, fields, items and simple bounds. They
//! are known to compile, so that validation need not build a validator for each.

#[cfg(test)]
mod tests;

use crate::document::{Json, View};

/// Levels of subschemas, each of which is two levels of JSON, and of alternatives among them: the
/// ways to one place stay few.
const MAX_LEVELS: usize = 12;
const MAX_ALTERNATIVES: usize = 2;
/// Members of all alternatives together.
const MAX_MEMBERS: usize = 32;
/// Names in one list, each of which is compared with all others.
const MAX_NAMES: usize = 64;
/// Bytes, roughly; a larger schema is measured exactly elsewhere.
const MAX_BYTES: usize = 8 * 1024;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Whether the schema is a plain one. A schema that is not may still be a good one.
pub(super) fn is_plain(schema: Json<'_>) -> bool {
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
    fn schema(&mut self, schema: Json<'_>, level: usize, alternatives: usize) -> Option<()> {
        let fields = match schema.view() {
            View::Bool => return self.spend(8),
            View::Object(fields) => fields,
            _ => return None,
        };
        if level > MAX_LEVELS || alternatives > MAX_ALTERNATIVES {
            return None;
        }
        for (keyword, value) in fields {
            self.spend(keyword.len() + 8)?;
            match keyword {
                "type" => self.types(value)?,
                "properties" => {
                    for (name, schema) in value.fields()? {
                        self.spend(name.len() + 8)?;
                        self.schema(schema, level + 1, alternatives)?;
                    }
                }
                "items" | "additionalProperties" => {
                    self.schema(value, level + 1, alternatives)?;
                }
                "anyOf" | "oneOf" | "allOf" => {
                    let list = value.list().filter(|list| !list.is_empty())?;
                    self.members += list.count();
                    if self.members > MAX_MEMBERS {
                        return None;
                    }
                    for schema in list {
                        self.schema(schema, level + 1, alternatives + 1)?;
                    }
                }
                "required" => self.names(value)?,
                "enum" | "examples" => {
                    for value in value.list()? {
                        self.anything(value)?;
                    }
                }
                "const" | "default" => self.anything(value)?,
                "title" | "description" | "format" | "$comment" => {
                    self.spend(value.as_str()?.len())?;
                }
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                    value.as_f64()?;
                }
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
                | "maxProperties" => {
                    value.as_number()?.as_u64()?;
                }
                "uniqueItems" => {
                    matches!(value.view(), View::Bool).then_some(())?;
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

    fn types(&mut self, value: Json<'_>) -> Option<()> {
        match value.view() {
            View::String(name) => TYPES.contains(&name).then_some(()),
            _ => {
                self.names(value)?;
                let mut list = value.list().filter(|list| !list.is_empty())?;
                list.all(|name| name.as_str().is_some_and(|name| TYPES.contains(&name)))
                    .then_some(())
            }
        }
    }

    /// Strings of which none is there twice.
    fn names(&mut self, value: Json<'_>) -> Option<()> {
        let list = value.list()?;
        for (index, name) in list.enumerate() {
            let name = name.as_str()?;
            self.spend(name.len() + 4)?;
            let mut earlier = list.take(index);
            if index >= MAX_NAMES || earlier.any(|other| other.as_str() == Some(name)) {
                return None;
            }
        }
        Some(())
    }

    /// A value that the schema only mentions; only a small one is worth looking at.
    fn anything(&mut self, value: Json<'_>) -> Option<()> {
        match value.view() {
            View::Array(list) => list.is_empty().then_some(()),
            View::Object(fields) => fields.is_empty().then_some(()),
            View::String(text) => self.spend(text.len() + 4),
            View::Null | View::Bool | View::Number(_) => self.spend(8),
        }
    }
}
