//! One tool of a server, `server__tool` to the model.

use std::sync::Arc;

use agents::{Asked, Tool, ToolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use super::server::Server;

/// Characters of a tool's name; OpenAI's limit.
const LONGEST: usize = 64;

pub(super) struct McpTool {
    server: Arc<Server>,
    /// As the server calls it.
    name: String,
    declaration: llm::Tool,
}

impl McpTool {
    pub(super) fn new(server: Arc<Server>, tool: rmcp::model::Tool) -> Self {
        // A server may send back what it was sent, in a description as well.
        let mut parameters = Value::Object(tool.input_schema.as_ref().clone());
        server.redaction.value(&mut parameters);
        let description = tool.description.as_deref().unwrap_or_default();
        let declaration = llm::Tool {
            name: name(&server.name, &tool.name),
            description: server.redaction.text(description).into_owned(),
            parameters,
        };
        Self {
            server,
            name: tool.name.into_owned(),
            declaration,
        }
    }

    async fn call(&self, arguments: &Value) -> Result<String, ToolError> {
        let Value::Object(arguments) = arguments else {
            return Err(ToolError::new("the arguments are not an object"));
        };
        let result = self.server.call(&self.name, arguments.clone()).await;
        let result = result
            .map_err(|why| ToolError(format!("the MCP server {} {why}", self.server.name)))?;
        let text = self.server.redaction.text(&text(&result)).into_owned();
        if result.is_error == Some(true) {
            return Err(ToolError(text));
        }
        Ok(text)
    }
}

impl Tool for McpTool {
    fn declaration(&self) -> &llm::Tool {
        &self.declaration
    }

    fn run<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Result<String, ToolError>> {
        self.call(&asked.arguments).boxed()
    }
}

/// Providers take letters, digits, underscores and dashes.
fn name(server: &str, tool: &str) -> String {
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
        _ => '_',
    };
    format!("{server}__{tool}")
        .chars()
        .map(plain)
        .take(LONGEST)
        .collect()
}

/// What is text in a result. A model reads no pictures in the result of a tool; it is told that there is one.
fn text(result: &CallToolResult) -> String {
    let texts: Vec<String> = result.content.iter().map(of_block).collect();
    match &result.structured_content {
        Some(data) if texts.is_empty() => data.to_string(),
        _ => texts.join("\n"),
    }
}

fn of_block(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[a picture, {}]", image.mime_type),
        ContentBlock::Audio(audio) => format!("[a recording, {}]", audio.mime_type),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_every_provider_takes() {
        assert_eq!(name("crm", "find.customer/2"), "crm__find_customer_2");
        assert_eq!(name("crm", &"é".repeat(100)).len(), 64);
    }

    #[test]
    fn what_is_no_text_is_named() {
        let result: CallToolResult = serde_json::from_value(serde_json::json!({"content": [
            {"type": "text", "text": "one"}, {"type": "image", "data": "AA==", "mimeType": "image/png"}]}))
        .unwrap();
        assert_eq!(text(&result), "one\n[a picture, image/png]");
        let result: CallToolResult = serde_json::from_value(
            serde_json::json!({"content": [], "structuredContent": {"n": 1}}),
        )
        .unwrap();
        assert_eq!(text(&result), r#"{"n":1}"#);
    }
}
