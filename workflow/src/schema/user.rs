//! JSON schemas that authors write: `input_schema` and `output_schema`.

use serde_json::Value;

use crate::limits::MAX_SCHEMA;

/// Why the schema cannot be used, if it cannot. Only what is in the schema itself is ever read:
/// a `$ref` to another document is a reason, never a request.
pub(crate) fn check_user_schema(schema: &Value) -> Result<(), String> {
    if serde_json::to_string(schema).map_or(0, |text| text.len()) > MAX_SCHEMA {
        return Err(format!("the schema is larger than {MAX_SCHEMA} bytes"));
    }
    match jsonschema::validator_for(schema) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
