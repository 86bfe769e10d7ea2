//! What is said in a conversation, in no provider's dialect.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One turn of the conversation. The system prompt is not a turn: it stands in [`ChatRequest::system`](crate::ChatRequest::system).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    User {
        content: Vec<Part>,
    },
    Assistant {
        #[serde(default)]
        content: Vec<Part>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// The result of one tool call of the assistant turn before.
    Tool {
        tool_call_id: String,
        /// The tool's name; Gemini matches results to calls by it.
        name: String,
        content: String,
        #[serde(default)]
        is_error: bool,
    },
}

impl Message {
    pub fn user(text: impl Into<String>) -> Self {
        Self::User {
            content: vec![Part::text(text)],
        }
    }

    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant {
            content: vec![Part::text(text)],
            tool_calls: Vec::new(),
        }
    }

    pub fn tool_result(call: &ToolCall, content: impl Into<String>) -> Self {
        Self::Tool {
            tool_call_id: call.id.clone(),
            name: call.name.clone(),
            content: content.into(),
            is_error: false,
        }
    }
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    Text {
        text: String,
    },
    /// For models that see. Only in user turns; elsewhere it is left out.
    Image(Picture),
}

/// A picture that a model is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// Where the provider fetches it from. This crate does not.
    Url(String),
    Data {
        /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
        media_type: String,
        base64: String,
    },
}

impl Picture {
    /// From an address, or from the picture itself as a `data:` URL in base64. None for a `data:` URL of another kind.
    pub fn from_url(url: &str) -> Option<Self> {
        let Some(data) = url.strip_prefix("data:") else {
            return Some(Self::Url(url.to_owned()));
        };
        let (media_type, base64) = data.split_once(";base64,")?;
        Some(Self::Data {
            media_type: media_type.to_owned(),
            base64: base64.to_owned(),
        })
    }
}

impl Part {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// The model asks for a tool to be run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the conversation; made up here when the provider gives none.
    pub id: String,
    pub name: String,
    /// JSON text as the model wrote it; it may be malformed, so it is not parsed here.
    pub arguments: String,
    /// Opaque to us: what the provider wants to see again next to this call (Gemini's `thoughtSignature`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl ToolCall {
    /// The arguments as JSON; no text at all means no arguments.
    pub fn parsed_arguments(&self) -> Result<Value, serde_json::Error> {
        if self.arguments.trim().is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_str(&self.arguments)
    }
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub parameters: Value,
}

impl Tool {
    /// `{name, description, parameters}`, or the same under `function`, as OpenAI writes it. What is left out is a tool without description or
    /// arguments; without a name it is none.
    pub fn from_json(value: &Value) -> Option<Self> {
        let mut tool = value.get("function").unwrap_or(value).clone();
        tool.as_object_mut()?
            .entry("parameters")
            .or_insert_with(|| serde_json::json!({"type": "object", "properties": {}}));
        serde_json::from_value(tool).ok()
    }
}

/// Whether the model may, must or must not call tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    /// Exactly this tool.
    Named(String),
}
