//! JSON schemas that authors write, `input_schema` and `output_schema`: whether they compile, and
//! whether a value satisfies them.
//!
//! They come from strangers, so they are read offline (a `$ref` to another document is an error,
//! never a request), and bounded in size, in the ways that lead through them to one place, and in
//! the size and backtracking of their patterns.

mod cost;
mod plain;

use serde_json::Value;

use crate::document::Json;
use crate::limits::{self, MAX_SCHEMA};

/// Bytes that one compiled pattern may have.
const MAX_PATTERN_PROGRAM: usize = 128 * 1024;
/// Steps that matching a pattern with look-around may take back.
const MAX_BACKTRACKING: usize = 100_000;
/// Patterns in one schema.
const MAX_PATTERNS: usize = 64;
/// Letters of one pattern; its groups nest, and its compiler recurses.
const MAX_PATTERN: usize = 512;

/// A compiled schema.
#[derive(Debug)]
pub struct JsonSchema(jsonschema::Validator);

/// Where and how a value breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON pointer into the value; empty for the value itself.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl JsonSchema {
    /// Compiles a schema; without `$schema` it is read as draft 2020-12.
    ///
    /// # Errors
    /// Why it is not a schema that can be used, in one sentence part.
    pub fn compile(schema: &Value) -> Result<JsonSchema, String> {
        JsonSchema::compile_counted(schema, &Counts::of(schema))
    }

    fn compile_counted(schema: &Value, counts: &Counts) -> Result<JsonSchema, String> {
        if counts.bytes > MAX_SCHEMA {
            return Err(format!("the schema is larger than {MAX_SCHEMA} bytes"));
        }
        if counts.patterns > MAX_PATTERNS {
            return Err(format!("the schema has more than {MAX_PATTERNS} patterns"));
        }
        cost::check(schema)?;
        if counts.longest_pattern > MAX_PATTERN {
            return Err(format!("a pattern is longer than {MAX_PATTERN} bytes"));
        }
        let patterns = jsonschema::PatternOptions::fancy_regex()
            .size_limit(MAX_PATTERN_PROGRAM)
            .dfa_size_limit(MAX_PATTERN_PROGRAM)
            .backtrack_limit(MAX_BACKTRACKING);
        jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map(JsonSchema)
            .map_err(|error| {
                let place = error.instance_path().to_string();
                match place.is_empty() {
                    true => error.to_string(),
                    false => format!("{error} (at {place} of the schema)"),
                }
            })
    }

    /// Whether the schema compiles, without keeping what it compiles to.
    ///
    /// # Errors
    /// As [`JsonSchema::compile`], and when the schema has more patterns than are left.
    pub(crate) fn check(schema: Json<'_>, patterns_left: &mut usize) -> Result<(), String> {
        if plain::is_plain(schema) {
            return Ok(());
        }
        let schema = &schema.to_value();
        let counts = Counts::of(schema);
        match patterns_left.checked_sub(counts.patterns) {
            Some(left) => *patterns_left = left,
            None => {
                return Err(format!(
                    "the schemas of the workflow have more than {} patterns",
                    limits::MAX_PATTERNS
                ));
            }
        }
        JsonSchema::compile_counted(schema, &counts).map(drop)
    }

    /// Whether the value satisfies the schema.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// What is wrong with the value, at most `most` things.
    pub fn violations(&self, value: &Value, most: usize) -> Vec<Violation> {
        self.0
            .iter_errors(value)
            .take(most)
            .map(|error| Violation {
                pointer: error.instance_path().to_string(),
                message: error.to_string(),
            })
            .collect()
    }
}

#[derive(Default)]
struct Counts {
    bytes: usize,
    patterns: usize,
    longest_pattern: usize,
}

impl Counts {
    fn of(schema: &Value) -> Counts {
        let mut counts = Counts::default();
        counts.add(schema, 0);
        counts
    }

    fn pattern(&mut self, text: &str) {
        self.patterns += 1;
        self.longest_pattern = self.longest_pattern.max(text.len());
    }

    fn add(&mut self, value: &Value, depth: usize) {
        if depth > limits::MAX_DEPTH {
            self.bytes = usize::MAX;
            return;
        }
        let bytes = match value {
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                items.iter().for_each(|item| self.add(item, depth + 1));
                2
            }
            Value::Object(fields) => {
                for (name, item) in fields {
                    match (name.as_str(), item) {
                        ("pattern", Value::String(text)) => self.pattern(text),
                        ("patternProperties", Value::Object(fields)) => {
                            fields.keys().for_each(|text| self.pattern(text));
                        }
                        _ => {}
                    }
                    self.bytes = self.bytes.saturating_add(name.len() + 4);
                    self.add(item, depth + 1);
                }
                2
            }
            _ => 4,
        };
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
