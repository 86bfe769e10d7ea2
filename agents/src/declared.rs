//! The tools that an agent's config declares and that are run where the conversation is had: `{"type": "http", ...}` and the like. What they need
//! for that (a database, a network) is up to whoever has it; what a model is told of them is the same everywhere.

use llm::Tool;
use serde_json::{Value, json};
use uuid::Uuid;

/// Pieces that a search answers where nothing else is said.
const USUAL_PIECES: i32 = 5;

/// The types of tools that are run here. Any other is a function that whoever asks runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Rpc,
    SearchDocuments,
    StartWorkflow,
}

impl Kind {
    pub fn of(tool: &Value) -> Option<Self> {
        match tool.get("type").and_then(Value::as_str)? {
            "http" => Some(Self::Http),
            "rpc" => Some(Self::Rpc),
            "search_documents" => Some(Self::SearchDocuments),
            "start_workflow" => Some(Self::StartWorkflow),
            _ => None,
        }
    }
}

/// `{"type": "search_documents", "name", "description", "limit"}`
#[derive(Debug, Clone, PartialEq)]
pub struct SearchDocuments {
    pub declaration: Tool,
    pub limit: i32,
}

impl SearchDocuments {
    pub fn read(tool: &Value) -> Self {
        let limit = tool.get("limit").and_then(Value::as_i64);
        let parameters = json!({
            "type": "object",
            "properties": {"query": {"type": "string", "description": "A question, or the words to look for"}},
            "required": ["query"],
            "additionalProperties": false,
        });
        let description = "Finds the passages of your documents that fit a question best.";
        Self {
            declaration: declaration(tool, "search_documents", description, parameters),
            limit: limit
                .and_then(|limit| limit.try_into().ok())
                .unwrap_or(USUAL_PIECES),
        }
    }
}

/// `{"type": "start_workflow", "workflow_id", "name", "description", "input_schema"}`
#[derive(Debug, Clone, PartialEq)]
pub struct StartWorkflow {
    pub declaration: Tool,
    pub workflow: Uuid,
}

impl StartWorkflow {
    /// None where it names no workflow.
    pub fn read(tool: &Value) -> Option<Self> {
        let workflow = tool.get("workflow_id").and_then(Value::as_str)?;
        let input = tool.get("input_schema").filter(|schema| schema.is_object());
        let anything = || json!({"type": "object", "additionalProperties": true});
        let parameters = input.cloned().unwrap_or_else(anything);
        let description = "Starts a workflow with these arguments as its input, and answers the id of its execution.";
        Some(Self {
            declaration: declaration(tool, "start_workflow", description, parameters),
            workflow: workflow.parse().ok()?,
        })
    }
}

/// The name of the function that `{"type": "rpc", "function", "name", "description"}` calls.
pub fn function_of(tool: &Value) -> Option<&str> {
    tool.get("function").and_then(Value::as_str)
}

/// What a model is told of a tool: in the words of its config where there are some.
pub fn declaration(tool: &Value, name: &str, description: &str, parameters: Value) -> Tool {
    let text = |field: &str, otherwise: &str| {
        let text = tool.get(field).and_then(Value::as_str);
        text.unwrap_or(otherwise).to_owned()
    };
    Tool {
        name: text("name", name),
        description: text("description", description),
        parameters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_config_says_goes_before_what_is_usual() {
        let usual = SearchDocuments::read(&json!({"type": "search_documents"}));
        assert_eq!(
            (usual.declaration.name.as_str(), usual.limit),
            ("search_documents", 5)
        );
        let own = json!({"type": "search_documents", "name": "manual", "description": "Looks it up.", "limit": 9});
        let own = SearchDocuments::read(&own);
        assert_eq!((own.declaration.name.as_str(), own.limit), ("manual", 9));
        assert_eq!(own.declaration.description, "Looks it up.");
    }

    #[test]
    fn a_workflow_is_started_only_where_one_is_named() {
        let id = "01900000-0000-7000-8000-00000000a0b1";
        let start = StartWorkflow::read(&json!({"type": "start_workflow", "workflow_id": id}));
        assert_eq!(start.unwrap().workflow.to_string(), id);
        assert_eq!(
            StartWorkflow::read(&json!({"type": "start_workflow", "workflow_id": "none"})),
            None
        );
    }
}
